
namespace Ledger;

/// <summary>What a verification has checked and found so far. For one caller at a time.</summary>
/// <param name="progress">Told now and then; null for nobody.</param>
internal sealed class VerifyTally(IProgress<VerifyReport>? progress)
{
    // More sentences help nobody, and a store that is gone must not fill the memory with them.
    private const int ProblemsMax = 1000;
    private const int ObjectsPerReport = 1000;

    private readonly List<string> _problems = [];
    private readonly List<string> _notices = [];
    private long _problemsLeftOut;
    private long _objectsReported;

    /// <summary>Ledgers walked.</summary>
    public long Ledgers { get; set; }

    /// <summary>Pages walked.</summary>
    public long Pages { get; set; }

    /// <summary>Commits walked.</summary>
    public long Commits { get; set; }

    /// <summary>Trees that are not stored and were rebuilt.</summary>
    public long RebuiltTrees { get; set; }

    /// <summary>Bytes of log checked.</summary>
    public long LogBytes { get; set; }

    private long Objects { get; set; }

    private long Bytes { get; set; }

    /// <summary>An object was read and is what its name says.</summary>
    public void AddObject(long sizeBytes)
    {
        Objects++;
        Bytes += sizeBytes;
        if (Objects - _objectsReported >= ObjectsPerReport)
        {
            Report();
        }
    }

    /// <summary>Something is wrong.</summary>
    /// <param name="problem">A full sentence.</param>
    public void AddProblem(string problem)
    {
        if (_problems.Count < ProblemsMax)
        {
            _problems.Add(problem);
        }
        else
        {
            _problemsLeftOut++;
        }
    }

    /// <summary>Something is worth knowing.</summary>
    /// <param name="notice">A full sentence.</param>
    public void AddNotice(string notice) => _notices.Add(notice);

    /// <summary>Tells how far it is.</summary>
    public void Report()
    {
        _objectsReported = Objects;
        progress?.Report(ToReport());
    }

    /// <summary>What was checked and found.</summary>
    public VerifyReport ToReport()
    {
        List<string> problems = [.. _problems];
        if (_problemsLeftOut > 0)
        {
            problems.Add($"{_problemsLeftOut} more problems are left out.");
        }

        return new VerifyReport(Ledgers, Pages, Commits, Objects, Bytes, LogBytes, problems, [.. _notices])
        {
            RebuiltTrees = RebuiltTrees,
        };
    }
}
