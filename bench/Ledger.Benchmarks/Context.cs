using Ledger.Benchmarks.Reporting;
using Ledger.Benchmarks.Stores;

namespace Ledger.Benchmarks;

/// <summary>What an experiment works with.</summary>
/// <param name="settings">What was asked for.</param>
/// <param name="scratch">A directory of its own, removed afterwards.</param>
internal sealed class Context(Settings settings, string scratch)
{
    private int _directories;

    /// <summary>What was asked for.</summary>
    public Settings Settings { get; } = settings;

    /// <summary>Where the result goes.</summary>
    public Report Report { get; } = new();

    /// <summary>Rounds to run.</summary>
    public int Rounds => Settings.Rounds ?? Pick(1, 3, 7, 7);

    /// <summary>How long a contender runs before its first round.</summary>
    public TimeSpan WarmUp => TimeSpan.FromSeconds(Pick(0, 0.5, 1, 2));

    /// <summary>The value of the scale.</summary>
    public T Pick<T>(T smoke, T quick, T normal, T full) => Settings.Scale switch
    {
        Scale.Smoke => smoke,
        Scale.Quick => quick,
        Scale.Full => full,
        _ => normal,
    };

    /// <summary>The sizes that were asked for, or those of the scale.</summary>
    public IReadOnlyList<int> Sizes(int[] quick, int[] normal, int[] full) =>
        Settings.Entries ?? Pick([200], quick, normal, full);

    /// <summary>The operations that were asked for, or those of the scale.</summary>
    public int Operations(int smoke, int quick, int normal, int full) =>
        Settings.Operations ?? Pick(smoke, quick, normal, full);

    /// <summary>Ledger and those of the wanted peers that are here.</summary>
    public IReadOnlyList<Contender> Contenders(params Contender[] wanted) =>
        Stores.Contenders.Present(Settings.WithPeers, wanted);

    /// <summary>A path for a directory that does not exist yet.</summary>
    public string NewDirectory(string name) => Path.Combine(scratch, $"{name}-{_directories++}");
}
