using System.Buffers.Binary;
using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Ledger.Objects;

/// <summary>BLAKE3 of one span of bytes, 256-bit output: plain, keyed, and derive-key in its two stages.</summary>
/// <remarks>
/// The input is cut into chunks of 1,024 bytes, each a chain of 64-byte blocks; the chunks are the leaves of a binary
/// tree whose left side is always a full power of two. Allocates nothing. Checked against the official test vectors.
/// </remarks>
internal static class Blake3
{
    /// <summary>Length of a key and of a hash.</summary>
    public const int HashSizeBytes = 32;

    internal const int BlockSizeBytes = 64;
    internal const int ChunkSizeBytes = 1024;
    internal const int HashWords = 8;

    internal const uint ChunkStart = 1;
    internal const uint ChunkEnd = 2;
    internal const uint Parent = 4;
    internal const uint Root = 8;
    internal const uint KeyedHash = 16;
    internal const uint DeriveKeyContext = 32;
    internal const uint DeriveKeyMaterial = 64;

    /// <summary>
    /// A span has less than 2^31 bytes, so fewer than 2^21 chunks: at most 22 subtrees wait for a sibling.
    /// </summary>
    private const int StackDepthMax = 22;

    // The initial value, as constants: a property that returns a span of them allocates in unoptimised builds.
    private const uint Initial0 = 0x6A09E667;
    private const uint Initial1 = 0xBB67AE85;
    private const uint Initial2 = 0x3C6EF372;
    private const uint Initial3 = 0xA54FF53A;
    private const uint Initial4 = 0x510E527F;
    private const uint Initial5 = 0x9B05688C;
    private const uint Initial6 = 0x1F83D9AB;
    private const uint Initial7 = 0x5BE0CD19;

    /// <summary>Which message word each of the sixteen places of a round takes, for seven rounds.</summary>
    internal static ReadOnlySpan<byte> Schedule =>
    [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
        2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8,
        3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1,
        10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6,
        12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4,
        9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7,
        11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13,
    ];

    /// <summary>Plain hash mode.</summary>
    /// <param name="content">Any length.</param>
    /// <param name="hash">Receives 32 bytes.</param>
    public static void Hash(ReadOnlySpan<byte> content, Span<byte> hash) =>
        HashUnkeyed(content, hash, flags: 0);

    /// <summary>Keyed hash mode: a message authentication code.</summary>
    /// <param name="key">Exactly 32 bytes.</param>
    /// <param name="content">Any length.</param>
    /// <param name="hash">Receives 32 bytes.</param>
    public static void HashKeyed(ReadOnlySpan<byte> key, ReadOnlySpan<byte> content, Span<byte> hash) =>
        HashUnder(key, content, hash, KeyedHash);

    /// <summary>Derive-key mode, first stage: the key of a context string.</summary>
    /// <param name="context">Hashed as UTF-8.</param>
    /// <param name="key">Receives 32 bytes.</param>
    public static void DeriveContextKey(string context, Span<byte> key) =>
        HashUnkeyed(Encoding.UTF8.GetBytes(context), key, DeriveKeyContext);

    /// <summary>Derive-key mode, second stage: hashes key material under a context's key.</summary>
    /// <param name="contextKey">Exactly 32 bytes, from <see cref="DeriveContextKey"/>.</param>
    /// <param name="content">Any length.</param>
    /// <param name="hash">Receives 32 bytes.</param>
    public static void HashWithKey(ReadOnlySpan<byte> contextKey, ReadOnlySpan<byte> content, Span<byte> hash) =>
        HashUnder(contextKey, content, hash, DeriveKeyMaterial);

    private static void HashUnkeyed(ReadOnlySpan<byte> content, Span<byte> hash, uint flags)
    {
        Span<uint> key = [Initial0, Initial1, Initial2, Initial3, Initial4, Initial5, Initial6, Initial7];
        HashTree(key, content, hash, flags);
    }

    private static void HashUnder(ReadOnlySpan<byte> key, ReadOnlySpan<byte> content, Span<byte> hash, uint flags)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(key.Length, HashSizeBytes);
        Span<uint> words = stackalloc uint[HashWords];
        for (var i = 0; i < HashWords; i++)
        {
            words[i] = BinaryPrimitives.ReadUInt32LittleEndian(key[(i * sizeof(uint))..]);
        }

        HashTree(words, content, hash, flags);
    }

    private static void HashTree(ReadOnlySpan<uint> key, ReadOnlySpan<byte> content, Span<byte> hash, uint flags)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(hash.Length, HashSizeBytes);
        Span<uint> value = stackalloc uint[HashWords];
        Span<uint> stack = stackalloc uint[(StackDepthMax + 1) * HashWords];
        var chunkCount = Math.Max(1, (int)(((uint)content.Length + ChunkSizeBytes - 1) / ChunkSizeBytes));
        var depth = 0;
        for (var i = 0; i < chunkCount - 1; i++)
        {
            HashChunk(key, content.Slice(i * ChunkSizeBytes, ChunkSizeBytes), (ulong)i, flags, 0, value);
            // As many subtrees are complete now as the number of chunks so far has trailing zeros.
            for (var merges = BitOperations.TrailingZeroCount(i + 1); merges > 0; merges--)
            {
                depth--;
                HashParent(key, stack.Slice(depth * HashWords, HashWords), value, flags);
            }

            value.CopyTo(stack[(depth * HashWords)..]);
            depth++;
        }

        var lastStart = (chunkCount - 1) * ChunkSizeBytes;
        HashChunk(key, content[lastStart..], (ulong)(chunkCount - 1), flags, depth == 0 ? Root : 0, value);
        while (depth > 0)
        {
            depth--;
            HashParent(key, stack.Slice(depth * HashWords, HashWords), value, depth == 0 ? flags | Root : flags);
        }

        for (var i = 0; i < HashWords; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(hash[(i * sizeof(uint))..], value[i]);
        }
    }

    /// <summary>The chaining value of one chunk of 0 to 1,024 bytes.</summary>
    private static void HashChunk(
        ReadOnlySpan<uint> key, ReadOnlySpan<byte> chunk, ulong counter, uint flags, uint lastFlags, Span<uint> value)
    {
        key.CopyTo(value);
        flags |= ChunkStart;
        while (chunk.Length > BlockSizeBytes)
        {
            Compress(value, chunk[..BlockSizeBytes], counter, BlockSizeBytes, flags);
            chunk = chunk[BlockSizeBytes..];
            flags &= ~ChunkStart;
        }

        flags |= ChunkEnd | lastFlags;
        if (chunk.Length == BlockSizeBytes)
        {
            Compress(value, chunk, counter, BlockSizeBytes, flags);
            return;
        }

        Span<byte> padded = stackalloc byte[BlockSizeBytes];
        padded.Clear();
        chunk.CopyTo(padded);
        Compress(value, padded, counter, (uint)chunk.Length, flags);
    }

    /// <summary>Replaces <paramref name="value"/>, the right child, by the chaining value of the parent.</summary>
    private static void HashParent(ReadOnlySpan<uint> key, ReadOnlySpan<uint> left, Span<uint> value, uint flags)
    {
        Span<uint> words = stackalloc uint[2 * HashWords];
        left.CopyTo(words);
        value.CopyTo(words[HashWords..]);
        key.CopyTo(value);
        CompressWords(value, words, 0, BlockSizeBytes, flags | Parent);
    }

    private static void Compress(Span<uint> value, ReadOnlySpan<byte> block, ulong counter, uint length, uint flags)
    {
        if (BitConverter.IsLittleEndian)
        {
            CompressWords(value, MemoryMarshal.Cast<byte, uint>(block), counter, length, flags);
            return;
        }

        Span<uint> words = stackalloc uint[2 * HashWords];
        BinaryPrimitives.ReverseEndianness(MemoryMarshal.Cast<byte, uint>(block), words);
        CompressWords(value, words, counter, length, flags);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CompressWords(
        Span<uint> value, ReadOnlySpan<uint> words, ulong counter, uint length, uint flags)
    {
        Debug.Assert(value.Length >= HashWords && words.Length == 2 * HashWords);
        ref var h = ref MemoryMarshal.GetReference(value);
        ref var m = ref MemoryMarshal.GetReference(words);
        ref var s = ref MemoryMarshal.GetReference(Schedule);
        uint v0 = h, v1 = Unsafe.Add(ref h, 1), v2 = Unsafe.Add(ref h, 2), v3 = Unsafe.Add(ref h, 3);
        uint v4 = Unsafe.Add(ref h, 4), v5 = Unsafe.Add(ref h, 5), v6 = Unsafe.Add(ref h, 6), v7 = Unsafe.Add(ref h, 7);
        uint v8 = Initial0, v9 = Initial1, v10 = Initial2, v11 = Initial3;
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
