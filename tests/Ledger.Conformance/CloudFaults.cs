namespace Ledger.Conformance;

/// <summary>What goes wrong between a device and a <see cref="FaultyCloud"/>.</summary>
/// <remarks>
/// Probabilities are 0 to 1, and 0 unless set. Everything is drawn from one seed, so that one order of calls has one
/// history.
/// </remarks>
/// <param name="seed">Decides everything.</param>
public sealed class CloudFaults(int seed)
{
    private readonly Lock _gate = new();
    private readonly Random _random = new(seed);

    /// <summary>How likely an operation fails before it has done anything.</summary>
    public double FailureBeforeProbability { get; set; }

    /// <summary>How likely an operation is done and its answer is lost.</summary>
    public double LostAnswerProbability { get; set; }

    /// <summary>How likely an operation that may be repeated is done twice, as when a request is sent again.</summary>
    public double RepeatProbability { get; set; }

    /// <summary>How likely a connection breaks at a read.</summary>
    public double DisconnectProbability { get; set; }

    /// <summary>How likely what was pushed comes once more, later.</summary>
    public double DuplicatePushProbability { get; set; }

    /// <summary>How likely what was pushed changes places with what comes next.</summary>
    public double ReorderPushProbability { get; set; }

    /// <summary>The longest delay of an operation or a push; half have none.</summary>
    public TimeSpan DelayMax { get; set; }

    /// <summary>True while the cloud cannot be reached at all.</summary>
    public bool IsPartitioned { get; set; }

    /// <summary>Operations asked for, of any kind.</summary>
    public int OperationCount { get; private set; }

    /// <summary>Faults so far.</summary>
    public int FaultCount { get; private set; }

    internal bool Happens(double probability)
    {
        lock (_gate)
        {
            var happens = probability > 0 && _random.NextDouble() < probability;
            FaultCount += happens ? 1 : 0;
            return happens;
        }
    }

    internal TimeSpan NextDelay()
    {
        lock (_gate)
        {
            OperationCount++;
            return DelayMax == TimeSpan.Zero || _random.Next(2) == 0 ? TimeSpan.Zero : DelayMax * _random.NextDouble();
        }
    }
}
