using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Ledger.Objects;

/// <summary>BLAKE3 of one span of bytes, 256-bit output: plain, keyed, and derive-key in its two stages.</summary>
/// <remarks>
/// The input is cut into chunks of 1,024 bytes, each a chain of 64-byte blocks; the chunks are the leaves of a binary
/// tree whose left side is always a full power of two. Chunks, and the parents of one height, are hashed up to sixteen
/// at a time where the processor has vectors for it (<see cref="Blake3Lanes"/>), one by one elsewhere (<see
/// cref="Blake3Scalar"/>). Allocates nothing. Checked against the official test vectors. Many short inputs at once:
/// <see cref="Blake3Batch"/>.
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

    /// <summary>Chunks of one input that are taken together; a power of two.</summary>
    private const int GroupChunks = 64;

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
        HashUnkeyed(content, hash, flags: 0, Blake3Lanes.Fastest);

    /// <summary>Plain hash mode on a certain path, for comparison.</summary>
    internal static void Hash(ReadOnlySpan<byte> content, Span<byte> hash, Blake3Path path) =>
        HashUnkeyed(content, hash, flags: 0, path);

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
        HashUnkeyed(Encoding.UTF8.GetBytes(context), key, DeriveKeyContext, Blake3Path.Portable);

    /// <summary>Derive-key mode, second stage: hashes key material under a context's key.</summary>
    /// <param name="contextKey">Exactly 32 bytes, from <see cref="DeriveContextKey"/>.</param>
    /// <param name="content">Any length.</param>
    /// <param name="hash">Receives 32 bytes.</param>
    public static void HashWithKey(ReadOnlySpan<byte> contextKey, ReadOnlySpan<byte> content, Span<byte> hash) =>
        HashUnder(contextKey, content, hash, DeriveKeyMaterial);

    /// <summary>The eight words of a 32-byte key.</summary>
    internal static void ReadKey(ReadOnlySpan<byte> key, Span<uint> words)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(key.Length, HashSizeBytes);
        for (var i = 0; i < HashWords; i++)
        {
            words[i] = BinaryPrimitives.ReadUInt32LittleEndian(key[(i * sizeof(uint))..]);
        }
    }

    /// <summary>The bytes of a chaining value, which are the hash when it is that of a root.</summary>
    internal static void WriteHash(ReadOnlySpan<uint> value, Span<byte> hash)
    {
        for (var i = 0; i < HashWords; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(hash[(i * sizeof(uint))..], value[i]);
        }
    }

    private static void HashUnkeyed(ReadOnlySpan<byte> content, Span<byte> hash, uint flags, Blake3Path path)
    {
        Span<uint> key = [Initial0, Initial1, Initial2, Initial3, Initial4, Initial5, Initial6, Initial7];
        HashTree(key, content, hash, flags, path);
    }

    private static void HashUnder(ReadOnlySpan<byte> key, ReadOnlySpan<byte> content, Span<byte> hash, uint flags)
    {
        Span<uint> words = stackalloc uint[HashWords];
        ReadKey(key, words);
        HashTree(words, content, hash, flags, Blake3Lanes.Fastest);
    }

    /// <summary>Hashes one input under a key of eight words.</summary>
    internal static void HashTree(
        ReadOnlySpan<uint> key, ReadOnlySpan<byte> content, Span<byte> hash, uint flags, Blake3Path path)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(hash.Length, HashSizeBytes);
        if (content.Length > ChunkSizeBytes)
        {
            HashChunks(key, content, hash, flags, path);
            return;
        }

        Span<uint> value = stackalloc uint[HashWords];
        Blake3Scalar.HashChunk(key, content, 0, flags, Root, value);
        WriteHash(value, hash);
    }

    [SkipLocalsInit]
    private static void HashChunks(
        ReadOnlySpan<uint> key, ReadOnlySpan<byte> content, Span<byte> hash, uint flags, Blake3Path path)
    {
        Span<uint> values = stackalloc uint[GroupChunks * HashWords];
        Span<uint> stack = stackalloc uint[StackDepthMax * HashWords];
        var depth = 0;
        var start = 0;
        while (content.Length > GroupChunks * ChunkSizeBytes)
        {
            HashGroup(key, content[..(GroupChunks * ChunkSizeBytes)], start, flags, isRoot: false, values, path);
            content = content[(GroupChunks * ChunkSizeBytes)..];
            start += GroupChunks;
            Push(key, stack, ref depth, values[..HashWords], start / GroupChunks, flags);
        }

        HashGroup(key, content, start, flags, isRoot: depth == 0, values, path);
        var value = values[..HashWords];
        while (depth > 0)
        {
            depth--;
            Blake3Scalar.HashParent(
                key, stack.Slice(depth * HashWords, HashWords), value, depth == 0 ? flags | Root : flags);
        }

        WriteHash(value, hash);
    }

    /// <summary>Puts the chaining value of a subtree of one to 64 chunks, the last perhaps not whole, first.</summary>
    [SkipLocalsInit]
    private static void HashGroup(
        ReadOnlySpan<uint> key, ReadOnlySpan<byte> content, int start, uint flags, bool isRoot, Span<uint> values,
        Blake3Path path)
    {
        Span<uint> spare = stackalloc uint[GroupChunks * HashWords];
        Span<Blake3Job> jobs = stackalloc Blake3Job[GroupChunks];
        var whole = content.Length / ChunkSizeBytes;
        for (var i = 0; i < whole; i++)
        {
            jobs[i] = new Blake3Job(
                i * ChunkSizeBytes, ChunkSizeBytes / BlockSizeBytes, BlockSizeBytes, (uint)(start + i), flags,
                ChunkStart, ChunkEnd, Slot: i);
        }

        Blake3Lanes.Run(key, content, jobs[..whole], values, path);
        var count = whole;
        var rest = content[(whole * ChunkSizeBytes)..];
        if (!rest.IsEmpty)
        {
            Blake3Scalar.HashChunk(
                key, rest, (ulong)(start + whole), flags, 0, values.Slice(whole * HashWords, HashWords));
            count++;
        }

        scoped var children = values;
        scoped var parents = spare;
        for (; count > 1; count = (count + 1) / 2)
        {
            var lastFlags = isRoot && count == 2 ? Root : 0;
            AddParents(jobs, 0, firstSlot: 0, count, flags, lastFlags);
            Blake3Lanes.Run(key, MemoryMarshal.AsBytes(children), jobs[..(count / 2)], parents, path);
            KeepOdd(children, parents, firstSlot: 0, count);
            var swapped = children;
            children = parents;
            parents = swapped;
        }

        children[..HashWords].CopyTo(values);
    }

    /// <summary>The jobs that pair neighbours: the value at slot i is that of the children at 2i and 2i + 1.</summary>
    /// <returns>The number of jobs so far.</returns>
    internal static int AddParents(
        Span<Blake3Job> jobs, int jobCount, int firstSlot, int count, uint flags, uint lastFlags)
    {
        for (var i = 0; i < count / 2; i++)
        {
            jobs[jobCount++] = new Blake3Job(
                (firstSlot + (2 * i)) * HashSizeBytes, 1, BlockSizeBytes, 0, flags | Parent, 0, lastFlags,
                firstSlot + i);
        }

        return jobCount;
    }

    /// <summary>A last subtree without a neighbour goes up as it is.</summary>
    internal static void KeepOdd(ReadOnlySpan<uint> children, Span<uint> parents, int firstSlot, int count)
    {
        if (count % 2 == 1)
        {
            children.Slice((firstSlot + count - 1) * HashWords, HashWords)
                .CopyTo(parents[((firstSlot + (count / 2)) * HashWords)..]);
        }
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
}
