using System.Text;
using System.Text.Json;
using Ledger.Cli.Terminal;
using Ledger.Streams;

namespace Ledger.Cli.Streams;

/// <summary>Entries as lines: text, or the JSON that the original prints, with the position added.</summary>
internal static class EntryLines
{
    private const int NanosPerTick = 100;

    /// <summary>Writes an entry as a line.</summary>
    /// <param name="context">Where and how.</param>
    /// <param name="entry">The entry.</param>
    /// <param name="isAll">Text begins with position and stream instead of the id.</param>
    public static void WriteEntry(this CommandContext context, Entry entry, bool isAll = false)
    {
        if (context.Output.IsJson)
        {
            context.Output.Json(json => WriteMembers(json, entry));
            return;
        }

        var head = isAll ? $"{entry.Position}\t{LineText.Escape(entry.Stream)}\t" : $"{entry.Id}\t";
        context.Output.Line(CommandContext.Text(head), LineText.Escape(TextOf(entry.Payload, context.ValueFormat)));
    }

    /// <summary>The text of a payload: a JSON string unwrapped, other text as it is, else its size.</summary>
    private static ReadOnlyMemory<byte> TextOf(ReadOnlyMemory<byte> payload, ByteFormat format)
    {
        if (format != ByteFormat.Utf8)
        {
            return format.Format(payload);
        }

        if (!ByteFormats.IsText(payload.Span))
        {
            return CommandContext.Text($"({payload.Length} bytes)");
        }

        return payload.Span.StartsWith("\""u8) && StringIn(payload) is { } text
            ? Encoding.UTF8.GetBytes(text) : payload;
    }

    private static string? StringIn(ReadOnlyMemory<byte> payload)
    {
        try
        {
            using var document = JsonDocument.Parse(payload);
            return document.RootElement.GetString();
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // It only begins like a JSON string, or has half a surrogate pair: the bytes say more than a guess.
            return null;
        }
    }

    /// <summary>
    /// The generated struct of the original's protocol: snake case, and what is empty is left out.
    /// </summary>
    /// <param name="json">In an object.</param>
    /// <param name="entry">The entry.</param>
    /// <param name="withSource">Whether its source id is written, which the original's lines do not have.</param>
    public static void WriteMembers(Utf8JsonWriter json, Entry entry, bool withSource = false)
    {
        json.WriteString("id", entry.Id.ToString());
        json.WriteString("stream", entry.Stream);
        if (!entry.Payload.IsEmpty)
        {
            json.WriteBase64String("payload", entry.Payload.Span);
        }

        WriteText(json, "order_key", entry.OrderKey);
        WriteText(json, "dedup_key", entry.DedupKey);
        WriteText(json, "source_id", withSource ? entry.SourceId : null);
        json.WriteNumber("schema_version", entry.SchemaVersion);
        WritePairs(json, "metadata", entry.Metadata);
        if (entry.Tags.Count > 0)
        {
            json.WriteStartArray("tags");
            foreach (var tag in entry.Tags)
            {
                json.WriteStringValue(tag);
            }

            json.WriteEndArray();
        }

        WritePairs(json, "annotations", entry.Annotations);
        WriteTime(json, "created_at", entry.CreatedAt);
        WriteTime(json, "updated_at", entry.UpdatedAt);
        if (entry.Position is { } position)
        {
            json.WriteNumber("position", position.Value);
        }
    }

    private static void WriteText(Utf8JsonWriter json, string name, string? text)
    {
        if (text is not null)
        {
            json.WriteString(name, text);
        }
    }

    private static void WritePairs(Utf8JsonWriter json, string name, IReadOnlyDictionary<string, string> pairs)
    {
        if (pairs.Count == 0)
        {
            return;
        }

        json.WriteStartObject(name);
        foreach (var (key, value) in pairs.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            json.WriteString(key, value);
        }

        json.WriteEndObject();
    }

    private static void WriteTime(Utf8JsonWriter json, string name, DateTimeOffset? time)
    {
        if (time is not { } known)
        {
            return;
        }

        var seconds = known.ToUnixTimeSeconds();
        var rest = known.UtcTicks - DateTimeOffset.FromUnixTimeSeconds(seconds).UtcTicks;
        json.WriteStartObject(name);
        if (seconds != 0)
        {
            json.WriteNumber("seconds", seconds);
        }

        if (rest != 0)
        {
            json.WriteNumber("nanos", rest * NanosPerTick);
        }

        json.WriteEndObject();
    }
}
