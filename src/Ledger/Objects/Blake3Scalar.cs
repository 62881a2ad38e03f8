using System.Buffers.Binary;
using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Ledger.Objects;

/// <summary>The compression of BLAKE3 for one input, on any processor.</summary>
internal static class Blake3Scalar
{
    /// <summary>Which message word each of the sixteen places of a round takes, for seven rounds.</summary>
    private static ReadOnlySpan<byte> Schedule =>
    [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
        2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8,
        3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1,
        10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6,
        12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4,
        9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7,
        11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13,
    ];

    /// <summary>The chaining value of one chunk of 0 to 1,024 bytes.</summary>
    public static void HashChunk(
        ReadOnlySpan<uint> key, ReadOnlySpan<byte> chunk, ulong counter, uint flags, uint lastFlags, Span<uint> value)
    {
        key.CopyTo(value);
        flags |= Blake3.ChunkStart;
        while (chunk.Length > Blake3.BlockSizeBytes)
        {
            Compress(value, chunk[..Blake3.BlockSizeBytes], counter, Blake3.BlockSizeBytes, flags);
            chunk = chunk[Blake3.BlockSizeBytes..];
            flags &= ~Blake3.ChunkStart;
        }

        flags |= Blake3.ChunkEnd | lastFlags;
        if (chunk.Length == Blake3.BlockSizeBytes)
        {
            Compress(value, chunk, counter, Blake3.BlockSizeBytes, flags);
            return;
        }

        Span<byte> padded = stackalloc byte[Blake3.BlockSizeBytes];
        padded.Clear();
        chunk.CopyTo(padded);
        Compress(value, padded, counter, (uint)chunk.Length, flags);
    }

    /// <summary>Replaces <paramref name="value"/>, the right child, by the chaining value of the parent.</summary>
    public static void HashParent(ReadOnlySpan<uint> key, ReadOnlySpan<uint> left, Span<uint> value, uint flags)
    {
        Span<uint> words = stackalloc uint[2 * Blake3.HashWords];
        left.CopyTo(words);
        value.CopyTo(words[Blake3.HashWords..]);
        key.CopyTo(value);
        CompressWords(value, words, 0, Blake3.BlockSizeBytes, flags | Blake3.Parent);
    }

    /// <summary>Compresses one block of 64 bytes into a chaining value.</summary>
    public static void Compress(Span<uint> value, ReadOnlySpan<byte> block, ulong counter, uint length, uint flags)
    {
        if (BitConverter.IsLittleEndian)
        {
            CompressWords(value, MemoryMarshal.Cast<byte, uint>(block), counter, length, flags);
            return;
        }

        Span<uint> words = stackalloc uint[2 * Blake3.HashWords];
        BinaryPrimitives.ReverseEndianness(MemoryMarshal.Cast<byte, uint>(block), words);
        CompressWords(value, words, counter, length, flags);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CompressWords(
        Span<uint> value, ReadOnlySpan<uint> words, ulong counter, uint length, uint flags)
    {
        Debug.Assert(value.Length >= Blake3.HashWords && words.Length == 2 * Blake3.HashWords);
        ref var h = ref MemoryMarshal.GetReference(value);
        ref var m = ref MemoryMarshal.GetReference(words);
        ref var s = ref MemoryMarshal.GetReference(Schedule);
        uint v0 = h, v1 = Unsafe.Add(ref h, 1), v2 = Unsafe.Add(ref h, 2), v3 = Unsafe.Add(ref h, 3);
        uint v4 = Unsafe.Add(ref h, 4), v5 = Unsafe.Add(ref h, 5), v6 = Unsafe.Add(ref h, 6), v7 = Unsafe.Add(ref h, 7);
        uint v8 = Blake3.Initial0, v9 = Blake3.Initial1, v10 = Blake3.Initial2, v11 = Blake3.Initial3;
        uint v12 = (uint)counter, v13 = (uint)(counter >> 32), v14 = length, v15 = flags;
        for (var round = 0; round < 7; round++)
        {
            Mix(ref v0, ref v4, ref v8, ref v12, Word(ref m, ref s, 0), Word(ref m, ref s, 1));
            Mix(ref v1, ref v5, ref v9, ref v13, Word(ref m, ref s, 2), Word(ref m, ref s, 3));
            Mix(ref v2, ref v6, ref v10, ref v14, Word(ref m, ref s, 4), Word(ref m, ref s, 5));
            Mix(ref v3, ref v7, ref v11, ref v15, Word(ref m, ref s, 6), Word(ref m, ref s, 7));
            Mix(ref v0, ref v5, ref v10, ref v15, Word(ref m, ref s, 8), Word(ref m, ref s, 9));
            Mix(ref v1, ref v6, ref v11, ref v12, Word(ref m, ref s, 10), Word(ref m, ref s, 11));
            Mix(ref v2, ref v7, ref v8, ref v13, Word(ref m, ref s, 12), Word(ref m, ref s, 13));
            Mix(ref v3, ref v4, ref v9, ref v14, Word(ref m, ref s, 14), Word(ref m, ref s, 15));
            s = ref Unsafe.Add(ref s, 16);
        }

        h = v0 ^ v8;
        Unsafe.Add(ref h, 1) = v1 ^ v9;
        Unsafe.Add(ref h, 2) = v2 ^ v10;
        Unsafe.Add(ref h, 3) = v3 ^ v11;
        Unsafe.Add(ref h, 4) = v4 ^ v12;
        Unsafe.Add(ref h, 5) = v5 ^ v13;
        Unsafe.Add(ref h, 6) = v6 ^ v14;
        Unsafe.Add(ref h, 7) = v7 ^ v15;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Word(ref uint words, ref readonly byte schedule, int place) =>
        Unsafe.Add(ref words, (nuint)Unsafe.Add(ref Unsafe.AsRef(in schedule), place));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Mix(ref uint a, ref uint b, ref uint c, ref uint d, uint x, uint y)
    {
        a += b + x;
        d = BitOperations.RotateRight(d ^ a, 16);
        c += d;
        b = BitOperations.RotateRight(b ^ c, 12);
        a += b + y;
        d = BitOperations.RotateRight(d ^ a, 8);
        c += d;
        b = BitOperations.RotateRight(b ^ c, 7);
    }
}
