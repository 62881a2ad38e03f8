using System.Buffers.Binary;

namespace Ledger.Objects;

/// <summary>The 128 bits that decide where values are cut in a ledger; the same on all of a user's devices.</summary>
/// <remarks>Secret towards clouds: who knows it can recognise known content by the lengths of its chunks.</remarks>
/// <param name="K0">First eight bytes, little-endian.</param>
/// <param name="K1">Last eight bytes, little-endian.</param>
internal readonly record struct ChunkSeed(ulong K0, ulong K1)
{
    /// <summary>Length of a seed.</summary>
    public const int SizeBytes = 16;

    /// <summary>Reads a seed.</summary>
    /// <param name="seed">Exactly 16 bytes.</param>
    public static ChunkSeed FromBytes(ReadOnlySpan<byte> seed)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(seed.Length, SizeBytes);
        return new ChunkSeed(
            BinaryPrimitives.ReadUInt64LittleEndian(seed), BinaryPrimitives.ReadUInt64LittleEndian(seed[8..]));
    }

    /// <summary>Writes the 16 bytes.</summary>
    public void CopyTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(destination, K0);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[8..], K1);
    }
}
