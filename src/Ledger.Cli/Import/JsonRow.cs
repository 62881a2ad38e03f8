using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Ledger.Cli.Import;

/// <summary>One entry, read from a line of JSON.</summary>
/// <param name="Key">1 to 1,024 bytes.</param>
/// <param name="Value">Any number of bytes.</param>
internal readonly record struct JsonRow(byte[] Key, ReadOnlyMemory<byte> Value)
{
    private const int KeySizeBytesMax = 1024;

    private static readonly JsonWriterOptions Compact = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>
    /// Reads <c>{"key":…,"value":…}</c>, as export writes it; a value that is not a string stands for its compact JSON.
    /// </summary>
    /// <exception cref="FormatException">It is something else; the message says what, as a clause.</exception>
    public static JsonRow Parse(ReadOnlyMemory<byte> line)
    {
        using var document = JsonMembers.ParseObject(line);
        var row = document.RootElement;
        var key = row.Text("key", required: true)!;
        var value = row.TryGetProperty("value", out var element) && element.ValueKind != JsonValueKind.Null
            ? element
            : throw new FormatException("it has no \"value\"");
        return new JsonRow(
            Checked(Decode(key, row.Text("key_encoding"), "key")),
            value.ValueKind == JsonValueKind.String
                ? Decode(value.String("value"), row.Text("encoding"), "value")
                : ToCompact(value));
    }

    /// <summary>Reads any object: one of its members is the key, and its compact JSON the value.</summary>
    /// <exception cref="FormatException">It is something else; the message says what, as a clause.</exception>
    public static JsonRow Parse(ReadOnlyMemory<byte> line, string keyField)
    {
        using var document = JsonMembers.ParseObject(line);
        var row = document.RootElement;
        if (!row.TryGetProperty(keyField, out var key))
        {
            throw new FormatException($"it has no \"{keyField}\"");
        }

        var text = key.ValueKind switch
        {
            JsonValueKind.String => key.String(keyField),
            JsonValueKind.Number => key.GetRawText(),
            _ => throw new FormatException($"its \"{keyField}\" is neither a string nor a number"),
        };
        return new JsonRow(Checked(Encoding.UTF8.GetBytes(text)), ToCompact(row));
    }

    private static byte[] Decode(string text, string? encoding, string name)
    {
        switch (encoding)
        {
            case null or "utf8":
                return Encoding.UTF8.GetBytes(text);
            case "base64":
                try
                {
                    return Convert.FromBase64String(text);
                }
                catch (FormatException error)
                {
                    throw new FormatException($"its \"{name}\" is not base64", error);
                }

            default:
                throw new FormatException($"'{encoding}' is no encoding: it is \"utf8\" or \"base64\"");
        }
    }

    private static byte[] Checked(byte[] key) => key.Length is >= 1 and <= KeySizeBytesMax
        ? key
        : throw new FormatException($"its key has {key.Length} bytes, not 1 to {KeySizeBytesMax}");

    private static ReadOnlyMemory<byte> ToCompact(JsonElement element)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, Compact))
        {
            element.WriteTo(json);
        }

        return buffer.WrittenMemory;
    }
}
