using System.Globalization;
using Ledger.Runtime;

namespace Ledger.Conformance;

/// <summary>What goes wrong on a <see cref="FaultyFileSystem"/>, and when.</summary>
/// <remarks>
/// Every change counts as an operation: create, mkdir, write, set length, preallocate, flush, rename, delete, flush of
/// a directory. They are numbered from 1, and only those that are possible count. Probabilities are 0 to 1, and 0
/// unless set. Set everything before the disk is used, or between uses.
/// </remarks>
public sealed class DiskFaults
{
    private readonly List<DiskOperation> _operations = [];
    private readonly HashSet<int> _failures = [];
    private readonly HashSet<int> _readFailures = [];
    private readonly Random _random;
    private int _crashAt;
    private CrashMoment _crashMoment;
    private int _fillAt;
    private bool _fillsReserved;
    private string? _crash;

    internal DiskFaults(int seed)
    {
        Seed = seed;
        _random = new Random(seed);
    }

    /// <summary>Decides everything that is left open.</summary>
    public int Seed { get; }

    /// <summary>Operations so far, one that crashed or failed included.</summary>
    public int OperationCount => _operations.Count;

    /// <summary>Reads so far; they are numbered on their own, from 1.</summary>
    public int ReadCount { get; private set; }

    /// <summary>True once the crash has come.</summary>
    public bool IsCrashed => _crash is not null;

    /// <summary>True while there is no room: what needs some throws <see cref="DiskFullException"/>.</summary>
    public bool IsFull { get; private set; }

    /// <summary>How likely a flush of a file or directory fails.</summary>
    public double FlushFailureProbability { get; set; }

    /// <summary>How likely a write fails, after having written any part.</summary>
    public double WriteFailureProbability { get; set; }

    /// <summary>How likely a read fails.</summary>
    public double ReadFailureProbability { get; set; }

    /// <summary>How likely a read of two bytes or more gives fewer than are there.</summary>
    public double ShortReadProbability { get; set; }

    /// <summary>The disk lies: flushing a file does nothing. Plants the bug of a flush that was forgotten.</summary>
    public bool IgnoreFileFlushes { get; set; }

    /// <summary>The disk lies: flushing a directory does nothing.</summary>
    public bool IgnoreDirectoryFlushes { get; set; }

    /// <summary>Every operation so far as a line, for the message of a failed test.</summary>
    public IReadOnlyList<string> Operations => [.. _operations.Select((operation, index) => Line(index + 1))];

    /// <summary>True while even writes into reserved room find none.</summary>
    internal bool IsFullEvenWhereReserved => _fillsReserved;

    /// <summary>Lets the process die at an operation: the call throws, and so does every call after it.</summary>
    public void CrashAt(int operation, CrashMoment moment = CrashMoment.Before) =>
        (_crashAt, _crashMoment) = (operation, moment);

    /// <summary>Lets the process die now.</summary>
    public void Crash() => _crash ??= $"The process died after operation {OperationCount}.";

    /// <summary>Lets an operation fail with an <see cref="IOException"/>.</summary>
    /// <remarks>
    /// A write may have done its first few sectors. A flush of a file has done any part, and what it has not done is
    /// lost although programs still see it: no later flush brings it back. Everything else does nothing.
    /// </remarks>
    public void FailAt(int operation) => _failures.Add(operation);

    /// <summary>Lets a read fail with an <see cref="IOException"/>.</summary>
    public void FailReadAt(int read) => _readFailures.Add(read);

    /// <summary>Lets the disk be full from an operation on, until <see cref="FreeSpace"/>.</summary>
    /// <remarks>
    /// Creating, preallocating and writing need room; a write may have done its first few sectors. Below the furthest
    /// byte that was written or preallocated there is room already, unless that is taken away too.
    /// </remarks>
    /// <param name="operation">1 or more.</param>
    /// <param name="evenWhereReserved">True for a disk that never overwrites in place, and breaks its promise.</param>
    public void FillAt(int operation, bool evenWhereReserved = false) =>
        (_fillAt, _fillsReserved) = (operation, evenWhereReserved);

    /// <summary>Makes room again.</summary>
    public void FreeSpace() => (IsFull, _fillAt) = (false, 0);

    internal void ThrowIfCrashed()
    {
        if (_crash is not null)
        {
            throw new SimulatedCrashException(_crash);
        }
    }

    /// <summary>Counts a read and says how many bytes it may give.</summary>
    internal int CountRead(string path, long offset, int length)
    {
        ThrowIfCrashed();
        ReadCount++;
        if (_readFailures.Contains(ReadCount) || Happens(ReadFailureProbability))
        {
            throw new IOException($"Simulated failure of read {ReadCount}: '{path}' at {offset}, {length} bytes.");
        }

        return length > 1 && Happens(ShortReadProbability) ? _random.Next(1, length) : length;
    }

    /// <summary>Counts an operation and does it, unless something goes wrong.</summary>
    /// <param name="operation">What it is.</param>
    /// <param name="whole">Does it.</param>
    /// <param name="part">Does a part of it; null when it is atomic.</param>
    /// <param name="failure">What it does though it fails; null for nothing.</param>
    /// <param name="probability">How likely it fails.</param>
    /// <param name="needsRoom">True when it fails on a full disk.</param>
    internal void Perform(
        DiskOperation operation,
        Action whole,
        Action<Random>? part = null,
        Action<Random>? failure = null,
        double probability = 0,
        bool needsRoom = false)
    {
        ThrowIfCrashed();
        _operations.Add(operation);
        if (OperationCount == _crashAt)
        {
            CrashWithin(whole, part);
        }

        IsFull |= OperationCount == _fillAt;
        if (IsFull && needsRoom)
        {
            part?.Invoke(_random);
            throw new DiskFullException(operation.Path);
        }

        if (_failures.Contains(OperationCount) || Happens(probability))
        {
            failure?.Invoke(_random);
            throw new IOException($"Simulated failure of operation {Line(OperationCount)}.");
        }

        whole();
    }

    private void CrashWithin(Action whole, Action<Random>? part)
    {
        if (_crashMoment == CrashMoment.Middle && part is not null)
        {
            part(_random);
        }
        else if (_crashMoment == CrashMoment.After || (_crashMoment == CrashMoment.Middle && _random.Next(2) == 0))
        {
            whole();
        }

        _crash = $"The process died at operation {Line(OperationCount)} ({_crashMoment}).";
        throw new SimulatedCrashException(_crash);
    }

    private bool Happens(double probability) => probability > 0 && _random.NextDouble() < probability;

    private string Line(int number) =>
        string.Create(CultureInfo.InvariantCulture, $"{number}: {_operations[number - 1]}");
}

/// <summary>One change that was asked of the disk.</summary>
internal readonly record struct DiskOperation(
    string Name, string Path, long? Offset = null, int? Length = null, string? Target = null)
{
    public override string ToString()
    {
        var offset = Offset is null ? "" : string.Create(CultureInfo.InvariantCulture, $" at {Offset}");
        var length = Length is null ? "" : string.Create(CultureInfo.InvariantCulture, $", {Length} bytes");
        var target = Target is null ? "" : $" to {Target}";
        return $"{Name} {Path}{offset}{length}{target}";
    }
}
