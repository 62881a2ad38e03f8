using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Ledger.Objects;

/// <summary>Cuts content where the content says so (FastCDC), so that equal stretches give equal chunks.</summary>
/// <remarks>
/// A sum over the last 64 bytes decides. Two masks, one of 18 bits before the mean length and one of 14 bits from it
/// on, keep the lengths close to the mean. Immutable; one serves all values of a ledger.
/// </remarks>
internal sealed class ContentChunker
{
    private readonly ulong[] _gear = new ulong[256];

    /// <summary>Makes the table of the seed: entry i is SipHash-2-4 of i as eight bytes.</summary>
    public ContentChunker(ChunkSeed seed)
    {
        Span<byte> counter = stackalloc byte[sizeof(ulong)];
        for (var i = 0; i < _gear.Length; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(counter, (ulong)i);
            _gear[i] = SipHash.Hash(seed.K0, seed.K1, counter);
        }
    }

    /// <summary>Length of the chunk at the start of <paramref name="content"/>.</summary>
    /// <param name="content">
    /// The rest of the value, or at least <see cref="ValueFormat.ChunkSizeBytesMax"/> bytes of it; not empty.
    /// </param>
    public int FindEnd(ReadOnlySpan<byte> content)
    {
        if (content.Length <= ValueFormat.ChunkSizeBytesMin)
        {
            return content.Length;
        }

        var end = Math.Min(content.Length, ValueFormat.ChunkSizeBytesMax);
        ref var bytes = ref MemoryMarshal.GetReference(content);
        ref var gear = ref MemoryMarshal.GetArrayDataReference(_gear);
        ulong sum = 0;
        var length = ValueFormat.ChunkSizeBytesMin - ValueFormat.ChunkWindowSizeBytes;
        while (length < ValueFormat.ChunkSizeBytesMin - 1)
        {
            sum = (sum << 1) + Unsafe.Add(ref gear, Unsafe.Add(ref bytes, length++));
        }

        var mean = Math.Min(end, ValueFormat.ChunkSizeBytesMean - 1);
        while (length < mean)
        {
            sum = (sum << 1) + Unsafe.Add(ref gear, Unsafe.Add(ref bytes, length++));
            if ((sum & ValueFormat.ChunkMaskBeforeMean) == 0)
            {
                return length;
            }
        }

        while (length < end)
        {
            sum = (sum << 1) + Unsafe.Add(ref gear, Unsafe.Add(ref bytes, length++));
            if ((sum & ValueFormat.ChunkMaskFromMean) == 0)
            {
                return length;
            }
        }

        return end;
    }
}
