using System.Diagnostics;

namespace Ledger.Benchmarks.Measuring;

/// <summary>What one contender did in one round.</summary>
/// <param name="Operations">How many.</param>
/// <param name="Seconds">Wall clock.</param>
/// <param name="CpuSeconds">Processor time of the whole process.</param>
/// <param name="WriteBytes">/proc/self/io write_bytes.</param>
/// <param name="AllocatedBytes">Managed bytes allocated.</param>
/// <param name="Collections">Garbage collections.</param>
/// <param name="P50Us">Median time of one operation in microseconds; NaN when they were not timed one by one.</param>
/// <param name="P99Us">99th percentile.</param>
internal sealed record Sample(
    long Operations, double Seconds, double CpuSeconds, long WriteBytes, long AllocatedBytes, int Collections,
    double P50Us, double P99Us)
{
    /// <summary>Operations in a second.</summary>
    public double Rate => Operations / Seconds;
}

/// <summary>Adds up one contender's slices of one round.</summary>
internal sealed class Meter
{
    private readonly List<double> _latenciesUs = [];
    private readonly Dictionary<string, double> _figures = [];
    private long _operations;
    private double _seconds;
    private double _cpuSeconds;
    private long _writeBytes;
    private long _allocatedBytes;
    private int _collections;
    private long _startedAt;
    private double _cpuBefore;
    private long _writeBefore;
    private long _allocatedBefore;
    private int _collectionsBefore;

    /// <summary>Figures of its own that an experiment recorded.</summary>
    public IReadOnlyDictionary<string, double> Figures => _figures;

    /// <summary>Processor time of the process so far.</summary>
    public static double CpuSecondsNow => Environment.CpuUsage.TotalTime.TotalSeconds;

    /// <summary>Begins to measure.</summary>
    public void Start()
    {
        _writeBefore = ProcessFigures.WriteBytes;
        _allocatedBefore = GC.GetTotalAllocatedBytes(precise: true);
        _collectionsBefore = GC.CollectionCount(0);
        _cpuBefore = CpuSecondsNow;
        _startedAt = Stopwatch.GetTimestamp();
    }

    /// <summary>Ends what <see cref="Start"/> began, and counts what was done in it.</summary>
    public void Stop(long operations)
    {
        _seconds += Stopwatch.GetElapsedTime(_startedAt).TotalSeconds;
        _cpuSeconds += CpuSecondsNow - _cpuBefore;
        _allocatedBytes += GC.GetTotalAllocatedBytes(precise: true) - _allocatedBefore;
        _collections += GC.CollectionCount(0) - _collectionsBefore;
        _writeBytes += ProcessFigures.WriteBytes - _writeBefore;
        _operations += operations;
    }

    /// <summary>Takes the time of one operation.</summary>
    /// <param name="startedAt">A time stamp of <see cref="Stopwatch"/>.</param>
    public void AddLatency(long startedAt) =>
        _latenciesUs.Add(Stopwatch.GetElapsedTime(startedAt).TotalMicroseconds);

    /// <summary>Takes times of operations.</summary>
    public void AddLatencies(IEnumerable<double> microseconds) => _latenciesUs.AddRange(microseconds);

    /// <summary>Records a figure of the experiment's own; the last one of a round counts.</summary>
    public void Record(string label, double value) => _figures[label] = value;

    /// <summary>Runs and measures something as one operation each of <paramref name="operations"/>.</summary>
    public async Task MeasureAsync(long operations, Func<Task> work)
    {
        Start();
        await work();
        Stop(operations);
    }

    /// <summary>What was measured.</summary>
    public Sample ToSample() => new(
        _operations, _seconds, _cpuSeconds, _writeBytes, _allocatedBytes, _collections,
        Statistics.Percentile(_latenciesUs, 0.5), Statistics.Percentile(_latenciesUs, 0.99));
}
