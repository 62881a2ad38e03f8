using System.Diagnostics;

namespace Ledger.Benchmarks.Measuring;

/// <summary>One contender's part of a round.</summary>
/// <param name="Name">As the tables name it.</param>
/// <param name="Slice">Does one slice of a round; measures with the meter.</param>
internal sealed record Lane(string Name, Func<Meter, int, Task> Slice);

/// <summary>What all contenders did in all rounds, interleaved.</summary>
internal sealed class Rounds
{
    private readonly Dictionary<string, List<(Sample Sample, IReadOnlyDictionary<string, double> Figures)>> _results =
        [];

    private Rounds(string title) => Title = title;

    /// <summary>What was measured.</summary>
    public string Title { get; }

    /// <summary>The contenders, in the order they were given.</summary>
    public IEnumerable<string> Names => _results.Keys;

    /// <summary>Runs rounds; in each, the contenders take turns slice by slice, in an order that rotates.</summary>
    /// <param name="title">What is measured.</param>
    /// <param name="count">Number of rounds.</param>
    /// <param name="slices">Slices of a round: the finer, the less a change of the disk's speed favours one.</param>
    /// <param name="lanes">The contenders.</param>
    /// <param name="warmUp">
    /// Before the first round each contender runs for so long, at least once, so that code is compiled for speed and
    /// caches are full; not at all when it is zero.
    /// </param>
    public static async Task<Rounds> RunAsync(
        string title, int count, int slices, IReadOnlyList<Lane> lanes, TimeSpan warmUp = default)
    {
        foreach (var lane in lanes.Where(_ => warmUp > TimeSpan.Zero))
        {
            var started = Stopwatch.GetTimestamp();
            do
            {
                await lane.Slice(new Meter(), 0);
            }
            while (Stopwatch.GetElapsedTime(started) < warmUp);
        }

        var rounds = new Rounds(title);
        foreach (var lane in lanes)
        {
            rounds._results[lane.Name] = [];
        }

        for (var round = 0; round < count; round++)
        {
            var meters = lanes.Select(_ => new Meter()).ToArray();
            for (var slice = 0; slice < slices; slice++)
            {
                for (var turn = 0; turn < lanes.Count; turn++)
                {
                    var index = (turn + slice + round) % lanes.Count;
                    await lanes[index].Slice(meters[index], (round * slices) + slice);
                }
            }

            for (var i = 0; i < lanes.Count; i++)
            {
                rounds._results[lanes[i].Name].Add((meters[i].ToSample(), meters[i].Figures));
            }

            var rates = lanes.Select((lane, i) => $"{lane.Name} {meters[i].ToSample().Rate:N0}/s");
            Console.WriteLine($"  {title}, round {round + 1} of {count}: {string.Join(", ", rates)}");
        }

        return rounds;
    }

    /// <summary>Whether a contender took part.</summary>
    public bool Has(string name) => _results.ContainsKey(name);

    /// <summary>A contender's samples, by round.</summary>
    public IReadOnlyList<Sample> Samples(string name) => [.. _results[name].Select(result => result.Sample)];

    /// <summary>A recorded figure of a contender, by round.</summary>
    public IReadOnlyList<double> Figures(string name, string label) =>
        [.. _results[name].Where(result => result.Figures.ContainsKey(label)).Select(result => result.Figures[label])];

    /// <summary>Labels of the figures that anyone recorded.</summary>
    public IReadOnlyList<string> FigureLabels() =>
        [.. _results.Values.SelectMany(list => list).SelectMany(result => result.Figures.Keys).Distinct()];

    /// <summary>One contender's rate over another's, round by round.</summary>
    public IReadOnlyList<double> RateRatios(string name, string peer) =>
        [.. Samples(name).Zip(Samples(peer), (ours, theirs) => ours.Rate / theirs.Rate)];

    /// <summary>The median rate.</summary>
    public double MedianRate(string name) => Statistics.Median(Samples(name).Select(sample => sample.Rate));
}
