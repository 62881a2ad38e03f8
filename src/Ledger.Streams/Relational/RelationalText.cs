using System.Buffers;
using System.Collections.ObjectModel;
using System.Data.Common;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Ledger.Streams.Relational;

/// <summary>Tags and pairs as the JSON text of a column; null when there are none.</summary>
internal static class RelationalText
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>An array of strings.</summary>
    public static string? Of(IReadOnlyList<string> tags) => tags.Count == 0 ? null : Write(json =>
    {
        json.WriteStartArray();
        foreach (var tag in tags.Distinct(StringComparer.Ordinal))
        {
            json.WriteStringValue(tag);
        }

        json.WriteEndArray();
    });

    /// <summary>An object of strings.</summary>
    public static string? Of(IReadOnlyDictionary<string, string> pairs) => pairs.Count == 0 ? null : Write(json =>
    {
        json.WriteStartObject();
        foreach (var (key, value) in pairs)
        {
            json.WriteString(key, value);
        }

        json.WriteEndObject();
    });

    /// <summary>Reads a column of tags.</summary>
    public static IReadOnlyList<string> ReadTags(DbDataReader row, int column)
    {
        if (row.IsDBNull(column))
        {
            return [];
        }

        using var document = JsonDocument.Parse(row.GetString(column));
        return [.. document.RootElement.EnumerateArray().Select(element => element.GetString() ?? "")];
    }

    /// <summary>Reads a column of pairs.</summary>
    public static IReadOnlyDictionary<string, string> ReadPairs(DbDataReader row, int column)
    {
        if (row.IsDBNull(column))
        {
            return ReadOnlyDictionary<string, string>.Empty;
        }

        using var document = JsonDocument.Parse(row.GetString(column));
        return document.RootElement.EnumerateObject()
            .ToDictionary(pair => pair.Name, pair => pair.Value.GetString() ?? "");
    }

    private static string Write(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, Options))
        {
            write(json);
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
