using System.Runtime.CompilerServices;

namespace Ledger.Objects;

/// <summary>How the inputs of BLAKE3 are compressed; every path gives the same hashes.</summary>
internal enum Blake3Path
{
    /// <summary>One input at a time, on any processor.</summary>
    Portable,

    /// <summary>Up to eight inputs at a time.</summary>
    Vector256,

    /// <summary>Up to sixteen inputs at a time; up to eight as <see cref="Vector256"/>.</summary>
    Vector512,
}

/// <summary>A chain of blocks that gives one chaining value: a chunk, or the two children of a parent.</summary>
/// <param name="Offset">First byte in the source, where whole blocks are, the last one filled up with zeros.</param>
/// <param name="Blocks">1 to 16.</param>
/// <param name="LastLength">Bytes of the last block that count, 0 to 64.</param>
/// <param name="Counter">Number of the chunk; 0 for a parent.</param>
/// <param name="Flags">Of all blocks.</param>
/// <param name="FirstFlags">Added to those of the first block.</param>
/// <param name="LastFlags">Added to those of the last block.</param>
/// <param name="Slot">Where the result goes, in chaining values.</param>
internal readonly record struct Blake3Job(
    int Offset, int Blocks, int LastLength, uint Counter, uint Flags, uint FirstFlags, uint LastFlags, int Slot);

/// <summary>What the vectors compress at once; one element for each lane, unless said.</summary>
internal readonly ref struct Blake3LaneView
{
    /// <summary>The chaining values: word 0 of every lane, then word 1, and so on.</summary>
    public required Span<uint> State { get; init; }

    /// <summary>Of the next block.</summary>
    public required Span<int> Offsets { get; init; }

    /// <summary>Numbers of the chunks.</summary>
    public required Span<uint> Counters { get; init; }

    /// <summary>Bytes of the next block that count.</summary>
    public required Span<uint> Lengths { get; init; }

    /// <summary>Of the next block.</summary>
    public required Span<uint> Flags { get; init; }
}

/// <summary>Runs any number of jobs through the lanes of the vectors: a lane that is done takes the next job.</summary>
/// <remarks>Best with jobs of equal length beside each other, because they begin and end at once.</remarks>
internal static class Blake3Lanes
{
    /// <summary>Jobs from which on filling eight lanes costs less than hashing one by one.</summary>
    private const int JobsMin = 2;

    /// <summary>The fastest path of this processor.</summary>
    public static Blake3Path Fastest =>
        Blake3Vectors512.IsSupported ? Blake3Path.Vector512
        : Blake3Vectors256.IsSupported ? Blake3Path.Vector256
        : Blake3Path.Portable;

    /// <summary>Whether this processor has a path.</summary>
    public static bool IsSupported(Blake3Path path) => path <= Fastest;

    /// <summary>Computes chaining values.</summary>
    /// <param name="key">Eight words.</param>
    /// <param name="source">What the jobs read.</param>
    /// <param name="jobs">In any order.</param>
    /// <param name="values">Receives eight words for each job, at its slot; nothing that a job reads.</param>
    /// <param name="path">One that the processor has.</param>
    public static void Run(
        ReadOnlySpan<uint> key, ReadOnlySpan<byte> source, ReadOnlySpan<Blake3Job> jobs, Span<uint> values,
        Blake3Path path)
    {
        if (path == Blake3Path.Portable || jobs.Length < JobsMin)
        {
            foreach (ref readonly var job in jobs)
            {
                RunOne(key, source, job, values.Slice(job.Slot * Blake3.HashWords, Blake3.HashWords));
            }

            return;
        }

        var lanes = path == Blake3Path.Vector512 && jobs.Length > Blake3Vectors256.Lanes
            ? Blake3Vectors512.Lanes
            : Blake3Vectors256.Lanes;
        RunMany(key, source, jobs, values, lanes);
    }

    private static void RunOne(
        ReadOnlySpan<uint> key, ReadOnlySpan<byte> source, in Blake3Job job, Span<uint> value)
    {
        key.CopyTo(value);
        var flags = job.Flags | job.FirstFlags;
        for (var block = 0; block < job.Blocks; block++)
        {
            var isLast = block == job.Blocks - 1;
            Blake3Scalar.Compress(
                value, source.Slice(job.Offset + (block * Blake3.BlockSizeBytes), Blake3.BlockSizeBytes), job.Counter,
                isLast ? (uint)job.LastLength : Blake3.BlockSizeBytes, isLast ? flags | job.LastFlags : flags);
            flags = job.Flags;
        }
    }

    [SkipLocalsInit]
    private static void RunMany(
        ReadOnlySpan<uint> key, ReadOnlySpan<byte> source, ReadOnlySpan<Blake3Job> jobs, Span<uint> values, int lanes)
    {
        var view = new Blake3LaneView
        {
            State = stackalloc uint[Blake3Vectors512.Lanes * Blake3.HashWords],
            Offsets = stackalloc int[Blake3Vectors512.Lanes],
            Counters = stackalloc uint[Blake3Vectors512.Lanes],
            Lengths = stackalloc uint[Blake3Vectors512.Lanes],
            Flags = stackalloc uint[Blake3Vectors512.Lanes],
        };
        Span<int> running = stackalloc int[Blake3Vectors512.Lanes];
        Span<int> blocksLeft = stackalloc int[Blake3Vectors512.Lanes];
        view.Counters.Clear();
        view.Lengths.Clear();
        view.Flags.Clear();
        view.State.Clear();
        var next = 0;
        var active = Math.Min(lanes, jobs.Length);
        for (var lane = 0; lane < active; lane++)
        {
            Begin(view, source, key, jobs[next], lane, lanes);
            blocksLeft[lane] = jobs[next].Blocks;
            running[lane] = next++;
        }

        while (active > 0)
        {
            // Lanes without a job repeat the block of the first one; what they compute is not used.
            view.Offsets[active..lanes].Fill(view.Offsets[0]);
            var blocks = Prepare(view, jobs, running[..active], blocksLeft);
            if (lanes == Blake3Vectors512.Lanes)
            {
                Blake3Vectors512.Compress(view, source, blocks);
            }
            else
            {
                Blake3Vectors256.Compress(view, source, blocks);
            }

            for (var lane = active - 1; lane >= 0; lane--)
            {
                view.Offsets[lane] += blocks * Blake3.BlockSizeBytes;
                blocksLeft[lane] -= blocks;
                if (blocksLeft[lane] > 0)
                {
                    continue;
                }

                End(view, jobs[running[lane]], values, lane, lanes);
                if (next < jobs.Length)
                {
                    Begin(view, source, key, jobs[next], lane, lanes);
                    blocksLeft[lane] = jobs[next].Blocks;
                    running[lane] = next++;
                    continue;
                }

                active--;
                Move(view, active, lane, lanes);
                (blocksLeft[lane], running[lane]) = (blocksLeft[active], running[active]);
            }
        }
    }

    /// <summary>Sets lengths and flags of the next block of each lane.</summary>
    /// <returns>For how many blocks they hold.</returns>
    private static int Prepare(
        in Blake3LaneView view, ReadOnlySpan<Blake3Job> jobs, ReadOnlySpan<int> running, ReadOnlySpan<int> blocksLeft)
    {
        var blocks = int.MaxValue;
        for (var lane = 0; lane < running.Length; lane++)
        {
            ref readonly var job = ref jobs[running[lane]];
            var left = blocksLeft[lane];
            var flags = job.Flags;
            var same = Math.Max(left - 1, 1);
            if (left == job.Blocks)
            {
                flags |= job.FirstFlags;
                same = 1;
            }

            view.Lengths[lane] = Blake3.BlockSizeBytes;
            if (left == 1)
            {
                flags |= job.LastFlags;
                view.Lengths[lane] = (uint)job.LastLength;
            }

            view.Flags[lane] = flags;
            blocks = Math.Min(blocks, same);
        }

        return blocks;
    }

    private static void Begin(
        in Blake3LaneView view, ReadOnlySpan<byte> source, ReadOnlySpan<uint> key, in Blake3Job job, int lane,
        int lanes)
    {
        // The vectors read without asking: this is where it is made sure that what they read is there.
        _ = source.Slice(job.Offset, job.Blocks * Blake3.BlockSizeBytes);
        view.Offsets[lane] = job.Offset;
        view.Counters[lane] = job.Counter;
        for (var word = 0; word < Blake3.HashWords; word++)
        {
            view.State[(word * lanes) + lane] = key[word];
        }
    }

    private static void End(in Blake3LaneView view, in Blake3Job job, Span<uint> values, int lane, int lanes)
    {
        var value = values.Slice(job.Slot * Blake3.HashWords, Blake3.HashWords);
        for (var word = 0; word < Blake3.HashWords; word++)
        {
            value[word] = view.State[(word * lanes) + lane];
        }
    }

    private static void Move(in Blake3LaneView view, int from, int to, int lanes)
    {
        if (from == to)
        {
            return;
        }

        view.Offsets[to] = view.Offsets[from];
        view.Counters[to] = view.Counters[from];
        for (var word = 0; word < Blake3.HashWords; word++)
        {
            view.State[(word * lanes) + to] = view.State[(word * lanes) + from];
        }
    }
}
