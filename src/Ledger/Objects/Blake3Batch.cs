using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Ledger.Objects;

/// <summary>BLAKE3 of many inputs of any lengths at once: the lanes of the vectors are filled across inputs.</summary>
/// <remarks>
/// An input alone fills sixteen lanes only from 16 KiB on, and a tree node has about 2 KB. Inputs are copied, padded to
/// whole blocks, into one buffer of at most <see cref="StagingSizeBytes"/>; longer ones are hashed by themselves.
/// </remarks>
internal static class Blake3Batch
{
    /// <summary>Inputs that are hashed together fill at most this; it stays in the processor's second cache.</summary>
    private const int StagingSizeBytes = 64 * 1024;

    /// <summary>Longest input that is hashed with others; a longer one fills the lanes well enough alone.</summary>
    private const int InputSizeBytesMax = 16 * 1024;

    /// <summary>Most inputs that are hashed together.</summary>
    private const int InputsMax = 64;

    /// <summary>Most chunks that are hashed together: every input may have one that is not whole.</summary>
    private const int ChunksMax = (StagingSizeBytes / Blake3.ChunkSizeBytes) + InputsMax;

    private const int ChunkBlocks = Blake3.ChunkSizeBytes / Blake3.BlockSizeBytes;

    /// <summary>Derive-key mode, second stage, of every input: as <see cref="Blake3.HashWithKey"/> of each.</summary>
    /// <param name="contextKey">Exactly 32 bytes, from <see cref="Blake3.DeriveContextKey"/>.</param>
    /// <param name="inputs">Any number, of any lengths.</param>
    /// <param name="hashes">Receives 32 bytes for each input, in their order.</param>
    public static void HashWithKey(
        ReadOnlySpan<byte> contextKey, ReadOnlySpan<ReadOnlyMemory<byte>> inputs, Span<byte> hashes) =>
        HashWithKey(contextKey, inputs, hashes, Blake3Lanes.Fastest);

    /// <summary>The same on a certain path, for comparison.</summary>
    internal static void HashWithKey(
        ReadOnlySpan<byte> contextKey, ReadOnlySpan<ReadOnlyMemory<byte>> inputs, Span<byte> hashes, Blake3Path path)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(hashes.Length, inputs.Length * Blake3.HashSizeBytes);
        Span<uint> key = stackalloc uint[Blake3.HashWords];
        Blake3.ReadKey(contextKey, key);
        byte[]? staging = null;
        while (!inputs.IsEmpty)
        {
            var count = path == Blake3Path.Portable ? 0 : CountTogether(inputs);
            if (count > 1)
            {
                staging ??= ArrayPool<byte>.Shared.Rent(StagingSizeBytes);
                HashTogether(key, inputs[..count], staging, hashes, path);
            }
            else
            {
                count = 1;
                Blake3.HashTree(key, inputs[0].Span, hashes, Blake3.DeriveKeyMaterial, path);
            }

            inputs = inputs[count..];
            hashes = hashes[(count * Blake3.HashSizeBytes)..];
        }

        if (staging is not null)
        {
            ArrayPool<byte>.Shared.Return(staging);
        }
    }

    private static int CountTogether(ReadOnlySpan<ReadOnlyMemory<byte>> inputs)
    {
        var count = 0;
        var sizeBytes = 0;
        while (count < Math.Min(inputs.Length, InputsMax) && inputs[count].Length <= InputSizeBytesMax)
        {
            sizeBytes += BlocksOf(inputs[count].Length) * Blake3.BlockSizeBytes;
            if (sizeBytes > StagingSizeBytes)
            {
                break;
            }

            count++;
        }

        return count;
    }

    [SkipLocalsInit]
    private static void HashTogether(
        ReadOnlySpan<uint> key, ReadOnlySpan<ReadOnlyMemory<byte>> inputs, byte[] staging, Span<byte> hashes,
        Blake3Path path)
    {
        Span<Blake3Job> jobs = stackalloc Blake3Job[ChunksMax];
        Span<uint> children = stackalloc uint[ChunksMax * Blake3.HashWords];
        Span<uint> parents = stackalloc uint[ChunksMax * Blake3.HashWords];
        Span<Subtrees> subtrees = stackalloc Subtrees[inputs.Length];
        var jobCount = AddChunks(inputs, staging, jobs, subtrees);
        Blake3Lanes.Run(key, staging, jobs[..jobCount], children, path);
        while ((jobCount = AddParents(jobs, subtrees)) > 0)
        {
            Blake3Lanes.Run(key, MemoryMarshal.AsBytes(children), jobs[..jobCount], parents, path);
            foreach (ref var subtree in subtrees)
            {
                Blake3.KeepOdd(children, parents, subtree.FirstSlot, subtree.Count);
                subtree = subtree with { Count = (subtree.Count + 1) / 2 };
            }

            var swapped = children;
            children = parents;
            parents = swapped;
        }

        for (var i = 0; i < inputs.Length; i++)
        {
            Blake3.WriteHash(
                children.Slice(subtrees[i].FirstSlot * Blake3.HashWords, Blake3.HashWords),
                hashes[(i * Blake3.HashSizeBytes)..]);
        }
    }

    /// <summary>Copies the inputs, and makes a job of each chunk: whole ones first, then long before short.</summary>
    private static int AddChunks(
        ReadOnlySpan<ReadOnlyMemory<byte>> inputs, byte[] staging, Span<Blake3Job> jobs, Span<Subtrees> subtrees)
    {
        Span<int> shorter = stackalloc int[ChunkBlocks + 1];
        shorter.Clear();
        var (start, slot, jobCount) = (0, 0, 0);
        for (var i = 0; i < inputs.Length; i++)
        {
            var input = inputs[i].Span;
            input.CopyTo(staging.AsSpan(start));
            var blocks = BlocksOf(input.Length);
            staging.AsSpan(start + input.Length, (blocks * Blake3.BlockSizeBytes) - input.Length).Clear();
            var chunks = ChunksOf(input.Length);
            subtrees[i] = new Subtrees(slot, chunks);
            for (var chunk = 0; chunk < input.Length / Blake3.ChunkSizeBytes; chunk++)
            {
                jobs[jobCount++] = Chunk(start, chunk, input.Length, slot + chunk, chunks == 1);
            }

            shorter[BlocksOfLast(input.Length)]++;
            start += blocks * Blake3.BlockSizeBytes;
            slot += chunks;
        }

        // Where the rests of each number of blocks begin.
        var place = jobCount;
        for (var blocks = ChunkBlocks; blocks > 0; blocks--)
        {
            (shorter[blocks], place) = (place, place + shorter[blocks]);
        }

        start = 0;
        for (var i = 0; i < inputs.Length; i++)
        {
            var length = inputs[i].Length;
            var (firstSlot, chunks) = subtrees[i];
            if (BlocksOfLast(length) is > 0 and var blocks)
            {
                jobs[shorter[blocks]++] = Chunk(start, chunks - 1, length, firstSlot + chunks - 1, chunks == 1);
            }

            start += BlocksOf(length) * Blake3.BlockSizeBytes;
        }

        return place;
    }

    private static Blake3Job Chunk(int start, int chunk, int length, int slot, bool isRoot)
    {
        var offset = chunk * Blake3.ChunkSizeBytes;
        var size = Math.Min(length - offset, Blake3.ChunkSizeBytes);
        var blocks = BlocksOf(size);
        return new Blake3Job(
            start + offset, blocks, size - ((blocks - 1) * Blake3.BlockSizeBytes), (uint)chunk,
            Blake3.DeriveKeyMaterial, Blake3.ChunkStart, isRoot ? Blake3.ChunkEnd | Blake3.Root : Blake3.ChunkEnd,
            slot);
    }

    /// <summary>One job for each pair of subtrees of every input that has more than one left.</summary>
    private static int AddParents(Span<Blake3Job> jobs, ReadOnlySpan<Subtrees> subtrees)
    {
        var jobCount = 0;
        foreach (var (firstSlot, count) in subtrees)
        {
            jobCount = Blake3.AddParents(
                jobs, jobCount, firstSlot, count, Blake3.DeriveKeyMaterial, count == 2 ? Blake3.Root : 0);
        }

        return jobCount;
    }

    private static int BlocksOf(int length) =>
        Math.Max(1, (length + Blake3.BlockSizeBytes - 1) / Blake3.BlockSizeBytes);

    private static int ChunksOf(int length) =>
        Math.Max(1, (length + Blake3.ChunkSizeBytes - 1) / Blake3.ChunkSizeBytes);

    /// <summary>Blocks of a last chunk that is not whole; 0 when all are whole. No bytes are one block.</summary>
    private static int BlocksOfLast(int length) =>
        length == 0 ? 1 : ((length % Blake3.ChunkSizeBytes) + Blake3.BlockSizeBytes - 1) / Blake3.BlockSizeBytes;

    /// <summary>The chaining values of one input that wait to be joined.</summary>
    /// <param name="FirstSlot">Where they are.</param>
    /// <param name="Count">How many they are; one when the input is hashed.</param>
    private readonly record struct Subtrees(int FirstSlot, int Count);
}
