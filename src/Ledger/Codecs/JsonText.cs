using System.Text;
using System.Text.Json;

namespace Ledger.Codecs;

/// <summary>The strings and numbers of a JSON document, as text that can be searched.</summary>
public static class JsonText
{
    /// <summary>
    /// The values in the order of the document, a space between two; names, true, false and null are not of it.
    /// </summary>
    /// <returns>Null when there is none, or when the bytes are not JSON.</returns>
    public static string? Of(ReadOnlySpan<byte> json)
    {
        var text = new StringBuilder();
        try
        {
            var reader = new Utf8JsonReader(json);
            while (reader.Read())
            {
                if (reader.TokenType is JsonTokenType.String or JsonTokenType.Number)
                {
                    text.Append(text.Length == 0 ? "" : " ").Append(reader.TokenType == JsonTokenType.String
                        ? reader.GetString() : Encoding.UTF8.GetString(reader.ValueSpan));
                }
            }
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // Not JSON, or a string with half a surrogate pair: bytes that a search cannot find.
            return null;
        }

        text.Replace('\0', ' ');
        return text.Length == 0 ? null : text.ToString();
    }
}
