using System.Collections.ObjectModel;
using System.Numerics;
using System.Text;
using Google.Protobuf;
using Google.Protobuf.Collections;
using Google.Protobuf.WellKnownTypes;
using Ledger.Codecs;
using Ledger.Streams;
using Wire = Ledger.Rpc.V1;

namespace Ledger.Rpc;

/// <summary>Entries, filters and ids, as messages and as what stores take and give.</summary>
internal static class WireEntries
{
    // What is larger is not looked into: its client can say what it is to be found by.
    private const int SearchTextBytesMax = 1 << 20;

    // A text that a server finds by itself is sent when it is shorter: to find it here too costs more than its bytes.
    private const int SearchTextSparedMin = 16 << 10;

    /// <summary>An entry as a message, which shares the payload's bytes.</summary>
    public static Wire.Entry Of(Entry entry)
    {
        var message = new Wire.Entry
        {
            Id = entry.Id.ToString(),
            Stream = entry.Stream,
            Payload = UnsafeByteOperations.UnsafeWrap(entry.Payload),
            OrderKey = entry.OrderKey ?? "",
            DedupKey = entry.DedupKey ?? "",
            SchemaVersion = entry.SchemaVersion,
            CreatedAt = Timestamp.FromDateTimeOffset(entry.CreatedAt),
            UpdatedAt = entry.UpdatedAt is { } updated ? Timestamp.FromDateTimeOffset(updated) : null,
            Position = entry.Position?.Value ?? 0,
            SourceId = entry.SourceId ?? "",
        };
        Fill(message.Tags, entry.Tags);
        Fill(message.Metadata, entry.Metadata);
        Fill(message.Annotations, entry.Annotations);
        return message;
    }

    /// <summary>An entry from a message of a server.</summary>
    /// <exception cref="FormatException">It is not an entry.</exception>
    public static Entry ToEntry(Wire.Entry message) => new()
    {
        Id = EntryId.Parse(message.Id),
        Position = message.Position > 0 ? new Position(message.Position) : null,
        Stream = message.Stream,
        Payload = message.Payload.Memory,
        OrderKey = NullIfEmpty(message.OrderKey),
        DedupKey = NullIfEmpty(message.DedupKey),
        SourceId = NullIfEmpty(message.SourceId),
        SchemaVersion = (int)Math.Clamp(message.SchemaVersion, 1, int.MaxValue),
        Metadata = ToPairs(message.Metadata),
        Tags = ToList(message.Tags),
        Annotations = ToPairs(message.Annotations),
        CreatedAt = ToTime(message.CreatedAt) ?? default,
        UpdatedAt = ToTime(message.UpdatedAt),
    };

    /// <summary>An entry to append, as a message.</summary>
    public static Wire.EntryInput Of(NewEntry entry)
    {
        var message = new Wire.EntryInput
        {
            Payload = UnsafeByteOperations.UnsafeWrap(entry.Payload),
            OrderKey = entry.OrderKey ?? "",
            DedupKey = entry.DedupKey ?? "",
            SchemaVersion = entry.SchemaVersion,
            SourceId = entry.SourceId ?? "",
            CreatedAt = OfTime(entry.CreatedAt),
        };
        if (entry.SearchText is not { Length: <= SearchTextBytesMax } text)
        {
            message.NoSearchText = true;
        }
        else if (text.Length < SearchTextSparedMin || text != TextOf(entry.Payload.Span))
        {
            message.SearchText = text;
        }

        Fill(message.Tags, entry.Tags);
        Fill(message.Metadata, entry.Metadata);
        return message;
    }

    /// <summary>An append from a message of a client.</summary>
    /// <exception cref="ArgumentException">A number in it is none of a version or an id.</exception>
    /// <exception cref="FormatException">The expected end is not an id.</exception>
    public static StreamAppend ToAppend(Wire.AppendRequest message) =>
        new(message.Stream, ToArray(message.Entries, ToNewEntry))
        {
            ExpectedEnd = message.ExpectedEnd?.EndCase switch
            {
                Wire.ExpectedEnd.EndOneofCase.New when message.ExpectedEnd.New => ExpectedEnd.New,
                Wire.ExpectedEnd.EndOneofCase.Id => ExpectedEnd.At(EntryId.Parse(message.ExpectedEnd.Id)),
                _ => ExpectedEnd.Any,
            },
        };

    /// <summary>An append as a message.</summary>
    public static Wire.AppendRequest Of(StreamAppend append)
    {
        var message = new Wire.AppendRequest { Stream = append.Stream, ExpectedEnd = Of(append.ExpectedEnd) };
        message.Entries.AddRange(append.Entries.Select(Of));
        return message;
    }

    /// <summary>An expected end as a message; null for any.</summary>
    public static Wire.ExpectedEnd? Of(ExpectedEnd end) => !end.IsChecked
        ? null
        : end.Id.IsNone ? new Wire.ExpectedEnd { New = true } : new Wire.ExpectedEnd { Id = end.Id.ToString() };

    /// <summary>What became of an append, as a message.</summary>
    public static Wire.AppendResponse Of(AppendResult result)
    {
        var message = new Wire.AppendResponse { End = result.End.ToString() };
        (message.Entries.Capacity, message.Ids.Capacity) = (result.Entries.Count, result.Entries.Count);
        foreach (var entry in result.Entries)
        {
            var id = entry.Id.ToString();
            message.Entries.Add(new Wire.AppendedEntry { Id = id, Duplicate = entry.IsDuplicate });
            if (!entry.IsDuplicate)
            {
                message.Ids.Add(id);
            }
        }

        return message;
    }

    /// <summary>What became of an append, from a message of a server.</summary>
    public static AppendResult ToResult(Wire.AppendResponse message) => new(
        ToArray(message.Entries, entry => new AppendedEntry(EntryId.Parse(entry.Id), entry.Duplicate)),
        EntryId.Parse(message.End));

    /// <summary>A filter as a message; null when every entry is meant.</summary>
    public static Wire.Filter? Of(EntryFilter filter)
    {
        if (filter.IsEmpty)
        {
            return null;
        }

        var message = new Wire.Filter
        {
            OrderKey = filter.OrderKey ?? "",
            CreatedFrom = OfTime(filter.CreatedFrom),
            CreatedBefore = OfTime(filter.CreatedBefore),
        };
        message.AllTags.AddRange(filter.Tags);
        Fill(message.MetadataFilters, filter.Metadata);
        Fill(message.AnnotationFilters, filter.Annotations);
        return message;
    }

    /// <summary>A filter from a message of a client.</summary>
    public static EntryFilter ToFilter(Wire.Filter? message) => message is null ? EntryFilter.None : new EntryFilter
    {
        OrderKey = NullIfEmpty(message.OrderKey),
        Tags = [.. message.AllTags],
        Metadata = ToPairs(message.MetadataFilters),
        Annotations = ToPairs(message.AnnotationFilters),
        CreatedFrom = ToTime(message.CreatedFrom),
        CreatedBefore = ToTime(message.CreatedBefore),
    };

    /// <summary>The filter in the options of a read.</summary>
    public static EntryFilter ToFilter(Wire.ReadOptions message) => new()
    {
        OrderKey = NullIfEmpty(message.OrderKey),
        Tags = [.. message.AllTags.Concat(message.Tag.Length == 0 ? [] : [message.Tag]).Distinct()],
        Metadata = ToPairs(message.MetadataFilters),
        Annotations = ToPairs(message.AnnotationFilters),
        CreatedFrom = ToTime(message.CreatedFrom),
        CreatedBefore = ToTime(message.CreatedBefore),
    };

    /// <summary>The options of a read as a message, without the limits.</summary>
    public static Wire.ReadOptions Of(ReadOptions options)
    {
        var message = new Wire.ReadOptions
        {
            After = options.After.IsNone ? "" : options.After.ToString(),
            Before = options.Before?.ToString() ?? "",
            Desc = options.Descending,
            OrderKey = options.Filter.OrderKey ?? "",
            CreatedFrom = OfTime(options.Filter.CreatedFrom),
            CreatedBefore = OfTime(options.Filter.CreatedBefore),
        };
        message.AllTags.AddRange(options.Filter.Tags);
        Fill(message.MetadataFilters, options.Filter.Metadata);
        Fill(message.AnnotationFilters, options.Filter.Annotations);
        return message;
    }

    /// <summary>An id from a message; nothing for none.</summary>
    /// <exception cref="FormatException">It is not an id.</exception>
    public static EntryId? ToIdOrNull(string text) => text.Length == 0 ? null : EntryId.Parse(text);

    /// <summary>A position from a message.</summary>
    /// <exception cref="ArgumentException">It is negative.</exception>
    public static Position ToPosition(long value) => value >= 0
        ? new Position(value)
        : throw new ArgumentException($"A position is 0 or more, not {value}.");

    /// <summary>A time from a message; null for none.</summary>
    /// <exception cref="ArgumentException">It is not one that a calendar has.</exception>
    public static DateTimeOffset? ToTime(Timestamp? time)
    {
        try
        {
            return time?.ToDateTimeOffset();
        }
        catch (Exception error) when (error is InvalidOperationException or ArgumentOutOfRangeException)
        {
            throw new ArgumentException("A time is not between the years 1 and 9999.", error);
        }
    }

    /// <summary>A time as a message.</summary>
    public static Timestamp? OfTime(DateTimeOffset? time) =>
        time is { } some ? Timestamp.FromDateTimeOffset(some) : null;

    /// <summary>What a store promises, as a message.</summary>
    public static IEnumerable<Wire.Capability> Of(StreamStoreCapabilities capabilities)
    {
        for (var rest = (uint)capabilities; rest != 0; rest &= rest - 1)
        {
            yield return (Wire.Capability)(BitOperations.TrailingZeroCount(rest) + 1);
        }
    }

    /// <summary>One capability from a message; none for one that is not known here.</summary>
    public static StreamStoreCapabilities ToFlag(Wire.Capability capability) =>
        (int)capability is var number and > 0 and < 31
            ? (StreamStoreCapabilities)(1 << (number - 1)) : StreamStoreCapabilities.None;

    private static NewEntry ToNewEntry(Wire.EntryInput message) => new(message.Payload.Memory)
    {
        OrderKey = NullIfEmpty(message.OrderKey),
        DedupKey = NullIfEmpty(message.DedupKey),
        SourceId = NullIfEmpty(message.SourceId),

        // The original's command line leaves it out, and means the first.
        SchemaVersion = message.SchemaVersion is >= 0 and <= int.MaxValue
            ? Math.Max(1, (int)message.SchemaVersion)
            : throw new ArgumentException($"A schema version is 1 to 2147483647, not {message.SchemaVersion}."),
        Metadata = ToPairs(message.Metadata),
        Tags = ToList(message.Tags),
        CreatedAt = ToTime(message.CreatedAt),
        SearchText = message.SearchCase switch
        {
            Wire.EntryInput.SearchOneofCase.SearchText => message.SearchText,
            Wire.EntryInput.SearchOneofCase.NoSearchText => null,
            _ => TextOf(message.Payload.Span),
        },
    };

    /// <summary>The strings and numbers of JSON, or text as it is; null for anything else.</summary>
    private static string? TextOf(ReadOnlySpan<byte> payload)
    {
        if (payload.IsEmpty || payload.Length > SearchTextBytesMax)
        {
            return null;
        }

        if (JsonText.Of(payload) is { } text)
        {
            return text;
        }

        // JSON without strings and numbers has no text; what is not JSON has itself.
        var first = payload.TrimStart(" \t\r\n"u8);
        if (first.IsEmpty || first[0] is (byte)'{' or (byte)'[' || !System.Text.Unicode.Utf8.IsValid(payload)
            || payload.SequenceEqual("true"u8) || payload.SequenceEqual("false"u8) || payload.SequenceEqual("null"u8))
        {
            return null;
        }

        return Encoding.UTF8.GetString(payload).Replace('\0', ' ');
    }

    private static string? NullIfEmpty(string text) => text.Length == 0 ? null : text;

    // Most entries have no pairs and no tags: then nothing is made for them.
    private static IReadOnlyDictionary<string, string> ToPairs(MapField<string, string> pairs) => pairs.Count == 0
        ? ReadOnlyDictionary<string, string>.Empty : new Dictionary<string, string>(pairs, StringComparer.Ordinal);

    private static IReadOnlyList<string> ToList(RepeatedField<string> texts) => texts.Count == 0 ? [] : [.. texts];

    private static TResult[] ToArray<TMessage, TResult>(RepeatedField<TMessage> messages, Func<TMessage, TResult> make)
    {
        var results = new TResult[messages.Count];
        for (var at = 0; at < results.Length; at++)
        {
            results[at] = make(messages[at]);
        }

        return results;
    }

    private static void Fill(RepeatedField<string> target, IReadOnlyList<string> texts)
    {
        if (texts.Count > 0)
        {
            target.AddRange(texts);
        }
    }

    private static void Fill(MapField<string, string> target, IReadOnlyDictionary<string, string> pairs)
    {
        if (pairs.Count == 0)
        {
            return;
        }

        foreach (var (key, value) in pairs)
        {
            target.Add(key, value);
        }
    }
}
