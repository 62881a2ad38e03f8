using System.Text;
using System.Text.Unicode;

namespace Ledger.Cli.Terminal;

/// <summary>How bytes are written as text.</summary>
internal enum ByteFormat
{
    /// <summary>As they are.</summary>
    Utf8,

    /// <summary>Lower-case hexadecimal digits; upper case is read as well.</summary>
    Hex,

    /// <summary>With padding.</summary>
    Base64,
}

/// <summary>Bytes to text and back.</summary>
internal static class ByteFormats
{
    /// <summary>Reads bytes that were written on the command line.</summary>
    /// <param name="format">How they were written.</param>
    /// <param name="text">The text.</param>
    /// <param name="what">What it is, as a noun phrase for the error.</param>
    public static byte[] Parse(this ByteFormat format, string text, string what)
    {
        try
        {
            return format switch
            {
                ByteFormat.Hex => Convert.FromHexString(text),
                ByteFormat.Base64 => Convert.FromBase64String(text),
                _ => Encoding.UTF8.GetBytes(text),
            };
        }
        catch (FormatException error)
        {
            throw new CliException(
                ExitCodes.Usage, $"The {what} is not {(format == ByteFormat.Hex ? "hexadecimal" : "base64")}.",
                "Nothing was changed.", error);
        }
    }

    /// <summary>Writes bytes as UTF-8 text: themselves, or their digits.</summary>
    public static ReadOnlyMemory<byte> Format(this ByteFormat format, ReadOnlyMemory<byte> content) => format switch
    {
        ByteFormat.Hex => Encoding.ASCII.GetBytes(Convert.ToHexStringLower(content.Span)),
        ByteFormat.Base64 => Encoding.ASCII.GetBytes(Convert.ToBase64String(content.Span)),
        _ => content,
    };

    /// <summary>Whether the bytes can stand in text and in a JSON string.</summary>
    public static bool IsText(ReadOnlySpan<byte> content) => Utf8.IsValid(content);

    /// <summary>Bytes for a message: text when they are printable text, hexadecimal otherwise.</summary>
    public static string Quote(ReadOnlySpan<byte> content) =>
        IsText(content) && content.IndexOfAnyInRange((byte)0, (byte)31) < 0
            ? $"'{Encoding.UTF8.GetString(content)}'"
            : $"0x{Convert.ToHexStringLower(content)}";
}
