using System.Text;
using System.Text.Json;
using Ledger.Cli.Terminal;
using Ledger.Codecs;

namespace Ledger.Cli.Streams;

/// <summary>What a search finds an entry by whose codec nobody knows.</summary>
internal static class PayloadText
{
    /// <summary>The strings and numbers of JSON, or text as it is; null for other bytes.</summary>
    public static string? Of(ReadOnlyMemory<byte> payload) =>
        JsonText.Of(payload.Span) ?? (IsJson(payload) || !ByteFormats.IsText(payload.Span) || payload.IsEmpty
            ? null : Encoding.UTF8.GetString(payload.Span).Replace('\0', ' '));

    /// <summary>Whether it is a JSON document.</summary>
    public static bool IsJson(ReadOnlyMemory<byte> payload)
    {
        try
        {
            using var document = JsonDocument.Parse(payload);
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
