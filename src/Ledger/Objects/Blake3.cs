using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Text;

namespace Ledger.Objects;

/// <summary>BLAKE3 of one span of bytes, 256-bit output: plain, keyed, and derive-key in its two stages.</summary>
/// <remarks>
/// The input is cut into chunks of 1,024 bytes, each a chain of 64-byte blocks; the chunks are the leaves of a binary
/// tree whose left side is always a full power of two. Chunks are hashed eight at a time where the processor has
/// vectors for it (<see cref="Blake3Vectors"/>), one by one elsewhere (<see cref="Blake3Scalar"/>). Allocates nothing.
/// Checked against the official test vectors.
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

    /// <summary>Chunks that are hashed at once; a power of two.</summary>
    private const int GroupChunks = Blake3Vectors.Lanes;

    /// <summary>Inputs from which on filling eight lanes costs less than hashing one by one.</summary>
    private const int VectorInputsMin = 2;

    // The initial value, as constants: a property that returns a span of them allocates in unoptimised builds.
    internal const uint Initial0 = 0x6A09E667;
    internal const uint Initial1 = 0xBB67AE85;
    internal const uint Initial2 = 0x3C6EF372;
    internal const uint Initial3 = 0xA54FF53A;
    internal const uint Initial4 = 0x510E527F;
    internal const uint Initial5 = 0x9B05688C;
    internal const uint Initial6 = 0x1F83D9AB;
    internal const uint Initial7 = 0x5BE0CD19;

    /// <summary>Plain hash mode.</summary>
    /// <param name="content">Any length.</param>
    /// <param name="hash">Receives 32 bytes.</param>
    public static void Hash(ReadOnlySpan<byte> content, Span<byte> hash) =>
        HashUnkeyed(content, hash, flags: 0, allowVectors: true);

    /// <summary>Plain hash mode without vectors, for comparison.</summary>
    internal static void HashPortably(ReadOnlySpan<byte> content, Span<byte> hash) =>
        HashUnkeyed(content, hash, flags: 0, allowVectors: false);

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
        HashUnkeyed(Encoding.UTF8.GetBytes(context), key, DeriveKeyContext, allowVectors: false);

    /// <summary>Derive-key mode, second stage: hashes key material under a context's key.</summary>
    /// <param name="contextKey">Exactly 32 bytes, from <see cref="DeriveContextKey"/>.</param>
    /// <param name="content">Any length.</param>
    /// <param name="hash">Receives 32 bytes.</param>
    public static void HashWithKey(ReadOnlySpan<byte> contextKey, ReadOnlySpan<byte> content, Span<byte> hash) =>
        HashUnder(contextKey, content, hash, DeriveKeyMaterial);

    private static void HashUnkeyed(ReadOnlySpan<byte> content, Span<byte> hash, uint flags, bool allowVectors)
    {
        Span<uint> key = [Initial0, Initial1, Initial2, Initial3, Initial4, Initial5, Initial6, Initial7];
        HashTree(key, content, hash, flags, allowVectors);
    }

    private static void HashUnder(ReadOnlySpan<byte> key, ReadOnlySpan<byte> content, Span<byte> hash, uint flags)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(key.Length, HashSizeBytes);
        Span<uint> words = stackalloc uint[HashWords];
        for (var i = 0; i < HashWords; i++)
        {
            words[i] = BinaryPrimitives.ReadUInt32LittleEndian(key[(i * sizeof(uint))..]);
        }

        HashTree(words, content, hash, flags, allowVectors: true);
    }

    private static void HashTree(
        ReadOnlySpan<uint> key, ReadOnlySpan<byte> content, Span<byte> hash, uint flags, bool allowVectors)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(hash.Length, HashSizeBytes);
        var useVectors = allowVectors && Blake3Vectors.IsSupported;
        Span<uint> values = stackalloc uint[GroupChunks * HashWords];
        Span<uint> stack = stackalloc uint[StackDepthMax * HashWords];
        var depth = 0;
        var start = 0;
        while (content.Length > GroupChunks * ChunkSizeBytes)
        {
            HashChunks(key, content, GroupChunks, start, flags, values, useVectors);
            for (var count = GroupChunks / 2; count > 0; count /= 2)
            {
                HashParents(key, values, count, flags, useVectors);
            }

            content = content[(GroupChunks * ChunkSizeBytes)..];
            start += GroupChunks;
            Push(key, stack, ref depth, values[..HashWords], start / GroupChunks, flags);
        }

        var value = HashLast(key, content, start, flags, stack, ref depth, values, useVectors);
        while (depth > 0)
        {
            depth--;
            Blake3Scalar.HashParent(
                key, stack.Slice(depth * HashWords, HashWords), value, depth == 0 ? flags | Root : flags);
        }

        for (var i = 0; i < HashWords; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(hash[(i * sizeof(uint))..], value[i]);
        }
    }

    /// <summary>Hashes the last one to eight chunks and pushes all but one.</summary>
    /// <returns>The chaining value of the last; of the root, when there is no other chunk.</returns>
    private static Span<uint> HashLast(
        ReadOnlySpan<uint> key, ReadOnlySpan<byte> content, int start, uint flags, Span<uint> stack, ref int depth,
        Span<uint> values, bool useVectors)
    {
        var count = Math.Max(1, (content.Length + ChunkSizeBytes - 1) / ChunkSizeBytes);
        var isRoot = start == 0 && count == 1;
        var wholeChunks = isRoot ? 0 : content.Length / ChunkSizeBytes;
        HashChunks(key, content, wholeChunks, start, flags, values, useVectors);
        var last = values.Slice((count - 1) * HashWords, HashWords);
        if (wholeChunks < count)
        {
            var counter = (ulong)(start + wholeChunks);
            var rest = content[(wholeChunks * ChunkSizeBytes)..];
            Blake3Scalar.HashChunk(key, rest, counter, flags, isRoot ? Root : 0, last);
        }

        for (var i = 0; i < count - 1; i++)
        {
            Push(key, stack, ref depth, values.Slice(i * HashWords, HashWords), start + i + 1, flags);
        }

        return last;
    }

    /// <summary>Adds a complete subtree, the one of that number, and joins those that are equally large.</summary>
    private static void Push(
        ReadOnlySpan<uint> key, Span<uint> stack, ref int depth, Span<uint> value, int count, uint flags)
    {
        // As many pairs are complete now as the number of subtrees so far has trailing zeros.
        for (var merges = BitOperations.TrailingZeroCount(count); merges > 0; merges--)
        {
            depth--;
            Blake3Scalar.HashParent(key, stack.Slice(depth * HashWords, HashWords), value, flags);
        }

        value.CopyTo(stack[(depth * HashWords)..]);
        depth++;
    }

    /// <summary>The chaining values of whole chunks.</summary>
    private static void HashChunks(
        ReadOnlySpan<uint> key, ReadOnlySpan<byte> content, int count, int start, uint flags, Span<uint> values,
        bool useVectors)
    {
        if (useVectors && count >= VectorInputsMin)
        {
            Blake3Vectors.HashMany(
                content, count, ChunkSizeBytes, key, (uint)start, 1, flags, ChunkStart, ChunkEnd, values);
            return;
        }

        for (var i = 0; i < count; i++)
        {
            Blake3Scalar.HashChunk(
                key, content.Slice(i * ChunkSizeBytes, ChunkSizeBytes), (ulong)(start + i), flags, 0,
                values.Slice(i * HashWords, HashWords));
        }
    }

    /// <summary>Replaces twice <paramref name="count"/> chaining values by those of their parents.</summary>
    private static void HashParents(
        ReadOnlySpan<uint> key, Span<uint> values, int count, uint flags, bool useVectors)
    {
        if (useVectors && count >= VectorInputsMin)
        {
            Blake3Vectors.HashMany(
                MemoryMarshal.AsBytes(values), count, BlockSizeBytes, key, 0, 0, flags | Parent, 0, 0, values);
            return;
        }

        for (var i = 0; i < count; i++)
        {
            var left = values.Slice(2 * i * HashWords, HashWords);
            var right = values.Slice(((2 * i) + 1) * HashWords, HashWords);
            Blake3Scalar.HashParent(key, left, right, flags);
            right.CopyTo(values[(i * HashWords)..]);
        }
    }
}
