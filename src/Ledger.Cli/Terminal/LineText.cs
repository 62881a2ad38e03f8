using System.Globalization;
using System.Text;

namespace Ledger.Cli.Terminal;

/// <summary>Text of others in a line: what would end the line, or steer a terminal, is written in visible characters.
/// </summary>
/// <remarks>
/// Line feed, carriage return and tab are <c>\n</c>, <c>\r</c> and <c>\t</c>; other control characters below U+0080
/// and bytes that are no UTF-8 are <c>\x1b</c>, those above and the line ends of Unicode <c>\u0085</c>. Everything
/// else stays, also backslashes: JSON is for who must be able to read it back.
/// </remarks>
internal static class LineText
{
    private const byte Delete = 0x7F;

    /// <summary>Bytes as a piece of a line.</summary>
    public static ReadOnlyMemory<byte> Escape(ReadOnlyMemory<byte> content)
    {
        var rest = content.Span;
        if (Ascii.IsValid(rest) && rest.IndexOfAnyInRange((byte)0, (byte)0x1F) < 0 && !rest.Contains(Delete))
        {
            return content;
        }

        var line = new StringBuilder(content.Length + 16);
        Span<char> units = stackalloc char[2];
        while (!rest.IsEmpty)
        {
            var isText = Rune.DecodeFromUtf8(rest, out var rune, out var used) == System.Buffers.OperationStatus.Done;
            if (isText)
            {
                Append(line, rune, units);
            }
            else
            {
                foreach (var odd in rest[..used])
                {
                    line.Append(CultureInfo.InvariantCulture, $"\\x{odd:x2}");
                }
            }

            rest = rest[used..];
        }

        return Encoding.UTF8.GetBytes(line.ToString());
    }

    /// <summary>Text as a piece of a line.</summary>
    public static string Escape(string text)
    {
        if (!text.Any(IsOdd))
        {
            return text;
        }

        var line = new StringBuilder(text.Length + 16);
        Span<char> units = stackalloc char[2];
        foreach (var rune in text.EnumerateRunes())
        {
            Append(line, rune, units);
        }

        return line.ToString();
    }

    /// <summary>Sentences, whose own line ends stay.</summary>
    public static string EscapeLines(string text) =>
        text.Any(IsOdd) ? string.Join('\n', text.Split('\n').Select(Escape)) : text;

    private static bool IsOdd(char unit) => char.IsControl(unit) || unit is '\u2028' or '\u2029';

    private static void Append(StringBuilder line, Rune rune, Span<char> units)
    {
        if (!rune.IsBmp || !IsOdd((char)rune.Value))
        {
            line.Append(units[..rune.EncodeToUtf16(units)]);
            return;
        }

        _ = rune.Value switch
        {
            '\n' => line.Append("\\n"),
            '\r' => line.Append("\\r"),
            '\t' => line.Append("\\t"),
            <= Delete => line.Append(CultureInfo.InvariantCulture, $"\\x{rune.Value:x2}"),
            _ => line.Append(CultureInfo.InvariantCulture, $"\\u{rune.Value:x4}"),
        };
    }
}
