using System.Buffers.Binary;
using System.Numerics;

namespace Ledger.Objects;

/// <summary>
/// CRC-32C (Castagnoli, reflected 0x82F63B78): finds damage in stored bytes; no protection against intent.
/// </summary>
internal static class Crc32C
{
    /// <summary>The checksum of <paramref name="content"/>.</summary>
    public static uint Of(ReadOnlySpan<byte> content) => Append(0, content);

    /// <summary>
    /// The checksum of what <paramref name="checksum"/> covers, followed by <paramref name="content"/>.
    /// </summary>
    /// <param name="checksum">0 for nothing yet, or an earlier result.</param>
    /// <param name="content">Any length.</param>
    public static uint Append(uint checksum, ReadOnlySpan<byte> content)
    {
        var crc = ~checksum;
        while (content.Length >= sizeof(ulong))
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(content));
            content = content[sizeof(ulong)..];
        }

        foreach (var next in content)
        {
            crc = BitOperations.Crc32C(crc, next);
        }

        return ~crc;
    }
}
