using System.Globalization;
using System.Text;

namespace Ledger.Rpc.Protocol;

/// <summary>The text of a <c>grpc-message</c> header: UTF-8, percent-encoded but for printable ASCII.</summary>
internal static class GrpcMessage
{
    // Longer ones would not fit into what peers take as headers.
    private const int BytesMax = 2_048;

    /// <summary>The message as a header has it.</summary>
    public static string Encode(string message)
    {
        var bytes = Encoding.UTF8.GetBytes(message);
        var text = new StringBuilder(bytes.Length);
        foreach (var value in bytes.AsSpan()[..Math.Min(bytes.Length, BytesMax)])
        {
            if (value is >= 0x20 and <= 0x7E and not (byte)'%')
            {
                text.Append((char)value);
            }
            else
            {
                text.Append(CultureInfo.InvariantCulture, $"%{value:X2}");
            }
        }

        return text.ToString();
    }

    /// <summary>The message that a header has; what is not encoded well stays as it is.</summary>
    public static string Decode(string text)
    {
        if (!text.Contains('%', StringComparison.Ordinal))
        {
            return text;
        }

        var bytes = new List<byte>(text.Length);
        for (var at = 0; at < text.Length; at++)
        {
            if (text[at] == '%' && at + 2 < text.Length && byte.TryParse(
                text.AsSpan(at + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
            {
                bytes.Add(value);
                at += 2;
            }
            else
            {
                bytes.AddRange(Encoding.UTF8.GetBytes(text[at].ToString()));
            }
        }

        return Encoding.UTF8.GetString([.. bytes]);
    }
}
