using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Ledger.Objects;

/// <summary>
/// SipHash-2-4, 64-bit output: a keyed hash of short inputs whose collisions nobody without the key can choose.
/// </summary>
internal static class SipHash
{
    /// <summary>Hashes <paramref name="content"/> under a 128-bit key.</summary>
    /// <param name="k0">First eight bytes of the key, little-endian.</param>
    /// <param name="k1">Last eight bytes of the key, little-endian.</param>
    /// <param name="content">Any length.</param>
    public static ulong Hash(ulong k0, ulong k1, ReadOnlySpan<byte> content)
    {
        var v0 = k0 ^ 0x736F6D6570736575;
        var v1 = k1 ^ 0x646F72616E646F6D;
        var v2 = k0 ^ 0x6C7967656E657261;
        var v3 = k1 ^ 0x7465646279746573;
        var last = (ulong)content.Length << 56;
        while (content.Length >= sizeof(ulong))
        {
            var word = BinaryPrimitives.ReadUInt64LittleEndian(content);
            content = content[sizeof(ulong)..];
            v3 ^= word;
            Round(ref v0, ref v1, ref v2, ref v3);
            Round(ref v0, ref v1, ref v2, ref v3);
            v0 ^= word;
        }

        for (var i = 0; i < content.Length; i++)
        {
            last |= (ulong)content[i] << (8 * i);
        }

        v3 ^= last;
        Round(ref v0, ref v1, ref v2, ref v3);
        Round(ref v0, ref v1, ref v2, ref v3);
        v0 ^= last;
        v2 ^= 0xFF;
        Round(ref v0, ref v1, ref v2, ref v3);
        Round(ref v0, ref v1, ref v2, ref v3);
        Round(ref v0, ref v1, ref v2, ref v3);
        Round(ref v0, ref v1, ref v2, ref v3);
        return v0 ^ v1 ^ v2 ^ v3;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Round(ref ulong v0, ref ulong v1, ref ulong v2, ref ulong v3)
    {
        v0 += v1;
        v2 += v3;
        v1 = BitOperations.RotateLeft(v1, 13) ^ v0;
        v3 = BitOperations.RotateLeft(v3, 16) ^ v2;
        v0 = BitOperations.RotateLeft(v0, 32);
        v2 += v1;
        v0 += v3;
        v1 = BitOperations.RotateLeft(v1, 17) ^ v2;
        v3 = BitOperations.RotateLeft(v3, 21) ^ v0;
        v2 = BitOperations.RotateLeft(v2, 32);
    }
}
