using System.Buffers;
using System.Text;
using System.Text.RegularExpressions;

namespace Ledger.Streams;

/// <summary>Checks what callers give against <see cref="StreamLimits"/>, the same for every store.</summary>
internal static partial class StreamRules
{
    /// <summary>
    /// Functions that the statements for SQLite ask: a table of that name hides them from every store of the file.
    /// </summary>
    private static readonly string[] SqliteFunctions = ["json_each", "pragma_table_info"];

    /// <summary>Checks a store's name.</summary>
    /// <exception cref="ArgumentException">It is malformed, or reserved.</exception>
    public static string Store(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!StoreName().IsMatch(name))
        {
            throw new ArgumentException(
                $"'{name}' is not the name of a store: that is a letter or underscore and then up to " +
                $"{StreamLimits.StoreNameLengthMax - 1} letters, digits and underscores, all ASCII.", nameof(name));
        }

        if (name.StartsWith("ledger_", StringComparison.OrdinalIgnoreCase)
            && !name.Equals("ledger_entries", StringComparison.OrdinalIgnoreCase)
            || name.StartsWith("sqlite_", StringComparison.OrdinalIgnoreCase)
            || name.StartsWith("pg_", StringComparison.OrdinalIgnoreCase)
            || SqliteFunctions.Contains(name, StringComparer.OrdinalIgnoreCase))
        {
            throw new ArgumentException(
                $"The name '{name}' is reserved: names do not begin with 'ledger_' (except 'ledger_entries'), " +
                "'sqlite_' or 'pg_', and are not 'json_each' or 'pragma_table_info'.", nameof(name));
        }

        return name;
    }

    /// <summary>Checks a stream's name.</summary>
    public static void Stream(string name) => Text(name, "name of a stream", 1, StreamLimits.StreamNameLengthMax);

    /// <summary>Checks a consumer's name.</summary>
    public static void Consumer(string name) =>
        Text(name, "name of a consumer", 1, StreamLimits.ConsumerNameLengthMax);

    /// <summary>Checks a search.</summary>
    public static void Search(string query) => Text(query, "search", 1, StreamLimits.SearchLengthMax);

    /// <summary>Checks an append to one or several streams.</summary>
    public static void Append(IReadOnlyList<StreamAppend> appends)
    {
        ArgumentNullException.ThrowIfNull(appends);
        var count = 0L;
        var sizeBytes = 0L;
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var append in appends)
        {
            ArgumentNullException.ThrowIfNull(append);
            Stream(append.Stream);
            ArgumentNullException.ThrowIfNull(append.Entries);
            if (append.Entries.Count == 0)
            {
                throw new ArgumentException($"The append to stream '{append.Stream}' has no entries.", nameof(appends));
            }

            if (!names.Add(append.Stream))
            {
                throw new ArgumentException($"Stream '{append.Stream}' is given twice.", nameof(appends));
            }

            count += append.Entries.Count;
            sizeBytes += append.Entries.Sum(Entry);
        }

        if (count is < 1 or > StreamLimits.BatchEntriesMax)
        {
            throw new ArgumentException(
                $"An append has 1 to {StreamLimits.BatchEntriesMax} entries, not {count}.", nameof(appends));
        }

        if (sizeBytes > StreamLimits.BatchSizeBytesMax)
        {
            throw new ArgumentException(
                $"The payloads of an append have at most {StreamLimits.BatchSizeBytesMax} bytes, not {sizeBytes}.",
                nameof(appends));
        }
    }

    /// <summary>Checks tags.</summary>
    public static void Tags(IReadOnlyList<string> tags)
    {
        ArgumentNullException.ThrowIfNull(tags);
        Count(tags.Count, "tags", StreamLimits.TagsMax);
        foreach (var tag in tags)
        {
            Text(tag, "tag", 1, StreamLimits.TagLengthMax);
        }
    }

    /// <summary>Checks a change of annotations.</summary>
    public static void Annotations(IReadOnlyDictionary<string, string?> changes)
    {
        ArgumentNullException.ThrowIfNull(changes);
        Count(changes.Count, "annotations", 2 * StreamLimits.PairsMax);
        foreach (var (key, value) in changes)
        {
            Pair(key, value ?? "", "annotation");
        }
    }

    /// <summary>Checks how many annotations an entry would have after a change.</summary>
    /// <exception cref="ArgumentException">Too many; nothing was changed.</exception>
    public static void AnnotationCount(int count) => Count(count, "annotations", StreamLimits.PairsMax);

    /// <summary>Checks a filter.</summary>
    public static void Filter(EntryFilter filter)
    {
        ArgumentNullException.ThrowIfNull(filter);
        Key(filter.OrderKey, "order key");
        Tags(filter.Tags);
        Pairs(filter.Metadata, "metadata");
        Pairs(filter.Annotations, "annotation");
    }

    /// <summary>Checks a key that may be absent.</summary>
    public static void Key(string? key, string what)
    {
        if (key is not null)
        {
            Text(key, what, 1, StreamLimits.KeyLengthMax);
        }
    }

    private static long Entry(NewEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        if (entry.Payload.Length > StreamLimits.PayloadSizeBytesMax)
        {
            throw new ArgumentException(
                $"A payload has at most {StreamLimits.PayloadSizeBytesMax} bytes, not {entry.Payload.Length}.",
                nameof(entry));
        }

        Key(entry.OrderKey, "order key");
        Key(entry.DedupKey, "dedup key");
        Key(entry.SourceId, "source id");
        Tags(entry.Tags);
        Pairs(entry.Metadata, "metadata");
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(entry.SchemaVersion);
        return entry.Payload.Length;
    }

    private static void Pairs(IReadOnlyDictionary<string, string> pairs, string what)
    {
        ArgumentNullException.ThrowIfNull(pairs);
        Count(pairs.Count, what, StreamLimits.PairsMax);
        foreach (var (key, value) in pairs)
        {
            Pair(key, value, what);
        }
    }

    private static void Pair(string key, string value, string what)
    {
        Text(key, "key of " + what, 1, StreamLimits.PairKeyLengthMax);
        Text(value, "value of " + what, 0, StreamLimits.PairValueLengthMax);
    }

    private static void Count(int count, string what, int countMax)
    {
        if (count > countMax)
        {
            throw new ArgumentException($"There are at most {countMax} {what}, not {count}.", what);
        }
    }

    private static void Text(string text, string what, int lengthMin, int lengthMax)
    {
        ArgumentNullException.ThrowIfNull(text);
        var length = 0;
        for (var rest = text.AsSpan(); !rest.IsEmpty; length++)
        {
            if (Rune.DecodeFromUtf16(rest, out var rune, out var used) != OperationStatus.Done || rune.Value == 0)
            {
                throw new ArgumentException($"The {what} has a NUL or half of a surrogate pair in it.", nameof(text));
            }

            rest = rest[used..];
        }

        if (length < lengthMin || length > lengthMax)
        {
            throw new ArgumentException(
                $"The {what} has {lengthMin} to {lengthMax} characters, not {length}.", nameof(text));
        }
    }

    [GeneratedRegex(@"\A[A-Za-z_][A-Za-z0-9_]{0,47}\z", RegexOptions.CultureInvariant)]
    private static partial Regex StoreName();
}
