using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;
using Ledger.Streams;

namespace Ledger.Server.Hooks;

/// <summary>The body of a request; its members are documented in docs/hooks.md.</summary>
internal static class HookBody
{
    // Deeper than this hardly any receiver reads: such a payload goes as base64.
    private const int DepthMax = 128;

    private static readonly JsonWriterOptions Options = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,

        // Payloads are checked before they are written as they are.
        SkipValidation = true,
    };

    /// <summary>Writes entries of one stream, in order; none for a request that only tries the endpoint.</summary>
    public static byte[] Of(string stream, IEnumerable<Entry> entries)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(buffer, Options))
        {
            json.WriteStartObject();
            json.WriteString("stream", stream);
            json.WriteStartArray("entries");
            foreach (var entry in entries)
            {
                Write(json, entry);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Whether a payload is one JSON value, of valid UTF-8, that a receiver can be expected to read.</summary>
    public static bool IsJson(ReadOnlySpan<byte> payload)
    {
        if (!Utf8.IsValid(payload))
        {
            return false;
        }

        var reader = new Utf8JsonReader(payload, new JsonReaderOptions { MaxDepth = DepthMax });
        try
        {
            while (reader.Read())
            {
                // Only to see that all of it can be read.
            }

            return reader.BytesConsumed > 0;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static void Write(Utf8JsonWriter json, Entry entry)
    {
        json.WriteStartObject();
        json.WriteString("id", entry.Id.ToString());
        if (IsJson(entry.Payload.Span))
        {
            json.WritePropertyName("payload");
            json.WriteRawValue(entry.Payload.Span, skipInputValidation: true);
        }
        else
        {
            json.WriteBase64String("payload_base64", entry.Payload.Span);
        }

        WriteText(json, "order_key", entry.OrderKey);
        WriteText(json, "dedup_key", entry.DedupKey);
        json.WriteNumber("schema_version", entry.SchemaVersion);
        WriteMap(json, "metadata", entry.Metadata);
        if (entry.Tags.Count > 0)
        {
            json.WriteStartArray("tags");
            foreach (var tag in entry.Tags)
            {
                json.WriteStringValue(tag);
            }

            json.WriteEndArray();
        }

        WriteMap(json, "annotations", entry.Annotations);
        json.WriteString("created_at", TimeOf(entry.CreatedAt));
        if (entry.UpdatedAt is { } updatedAt)
        {
            json.WriteString("updated_at", TimeOf(updatedAt));
        }

        json.WriteEndObject();
    }

    private static void WriteText(Utf8JsonWriter json, string name, string? text)
    {
        if (!string.IsNullOrEmpty(text))
        {
            json.WriteString(name, text);
        }
    }

    private static void WriteMap(Utf8JsonWriter json, string name, IReadOnlyDictionary<string, string> map)
    {
        if (map.Count == 0)
        {
            return;
        }

        json.WriteStartObject(name);
        foreach (var (key, value) in map.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            json.WriteString(key, value);
        }

        json.WriteEndObject();
    }

    private static string TimeOf(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", CultureInfo.InvariantCulture);
}
