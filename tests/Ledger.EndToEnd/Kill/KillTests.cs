using System.Globalization;
using System.Text;
using Ledger.EndToEnd.Processes;
using Ledger.Pages;
using Xunit;

namespace Ledger.EndToEnd.Kill;

/// <summary>
/// A child that writes is killed with SIGKILL again and again in the same directory. Each time: every acknowledged
/// write is there, no transaction is half there, and everything verifies.
/// </summary>
public sealed class KillTests
{
    private const int Lanes = 2;
    private const int KillsInDirectory = 20;

    private static int KillsInLane => Environment.GetEnvironmentVariable("LEDGER_NIGHTLY") == "1" ? 1000 : 100;

    [Fact]
    public async Task Killed_at_random_moments_nothing_acknowledged_is_lost_and_no_transaction_is_half_there()
    {
        var seed = Environment.GetEnvironmentVariable("LEDGER_SEED") is { } given
            ? int.Parse(given, CultureInfo.InvariantCulture)
            : 20_260;

        await Task.WhenAll(Enumerable.Range(0, Lanes).Select(lane => new Lane(seed + lane).RunAsync(KillsInLane)));
    }

    /// <summary>One directory after another, one kill after another.</summary>
    private sealed class Lane(int seed)
    {
        private readonly Random _random = new(seed);
        private readonly SortedDictionary<string, byte[]>[] _models = new SortedDictionary<string, byte[]>[3];
        private readonly int[] _acknowledged = new int[KillOperation.Writers];
        private int _kill;

        public async Task RunAsync(int kills)
        {
            while (_kill < kills)
            {
                using var directory = new TestDirectory();
                for (var writer = 0; writer < KillOperation.Writers; writer++)
                {
                    _models[writer] = [];
                    _acknowledged[writer] = 0;
                }

                for (var left = Math.Min(KillsInDirectory, kills - _kill); left > 0; left--)
                {
                    _kill++;
                    await KillOneAsync(directory["store"]);

                    // Not after each kill, so that some kills meet a recovery instead of a clean start.
                    if (left == 1 || _random.Next(4) > 0)
                    {
                        await CheckAsync(directory["store"]);
                    }
                }
            }
        }

        private string Replay => $"Kill {_kill} of the lane with seed {seed}; LEDGER_SEED={seed} begins with it.";

        private async Task KillOneAsync(string store)
        {
            using var child = Child.Start(
                "Ledger.EndToEnd.dll", AppContext.BaseDirectory,
                [
                    "kill", store, seed.ToString(CultureInfo.InvariantCulture),
                    .. _acknowledged.Select(number => (number + 1).ToString(CultureInfo.InvariantCulture)),
                ]);

            // Either early, while it opens and recovers, or when it has written for a while.
            var delayMs = _random.Next(60, 200);
            var acknowledgements = _random.Next(3) == 0 ? int.MaxValue : _random.Next(1, 150);
            using var timer = acknowledgements == int.MaxValue
                ? new Timer(_ => child.Kill(), null, delayMs, Timeout.Infinite)
                : null;
            for (string? line; (line = await child.ReadLineAsync()) is not null;)
            {
                Note(line);
                if (--acknowledgements == 0)
                {
                    child.Kill();
                }
            }

            var result = await child.EndAsync();
            Assert.True(result.ExitCode == 137, $"The child ended by itself: {result.Error} {Replay}");
        }

        private void Note(string line)
        {
            var parts = line.Split(' ');
            var writer = int.Parse(parts[0], CultureInfo.InvariantCulture);
            var number = int.Parse(parts[1], CultureInfo.InvariantCulture);
            Assert.Equal(_acknowledged[writer] + 1, number);
            KillOperation.Of(seed, writer, number).ApplyTo(_models[writer]);
            _acknowledged[writer] = number;
        }

        private async Task CheckAsync(string store)
        {
            await using var repository = await Repository.OpenAsync(store);
            var ledger = await repository.GetLedgerAsync("kill");
            for (var writer = 0; writer < KillOperation.Writers; writer++)
            {
                var actual = await ReadAsync(ledger, KillOperation.PageOf(writer));
                var next = new SortedDictionary<string, byte[]>(_models[writer]);
                KillOperation.Of(seed, writer, _acknowledged[writer] + 1).ApplyTo(next);

                // The write after the last acknowledged one was under way: all of it is there, or nothing.
                Assert.True(
                    AreEqual(actual, _models[writer]) || AreEqual(actual, next),
                    $"Writer {writer} is neither after write {_acknowledged[writer]} nor after the next one: " +
                    $"{Difference(actual, _models[writer])}. {Replay}");
            }

            var report = await repository.VerifyAsync();
            Assert.True(report.Problems.Count == 0, $"{string.Join(' ', report.Problems)} {Replay}");
        }

        private static async Task<SortedDictionary<string, byte[]>> ReadAsync(ILedger ledger, PageId id)
        {
            var entries = new SortedDictionary<string, byte[]>();
            await using var page = await ledger.GetPageAsync(id);
            await using var snapshot = await page.GetSnapshotAsync();
            await foreach (var entry in snapshot.GetEntriesAsync())
            {
                entries.Add(Encoding.ASCII.GetString(entry.Key.Span), entry.Value!.Value.ToArray());
            }

            return entries;
        }

        private static bool AreEqual(SortedDictionary<string, byte[]> left, SortedDictionary<string, byte[]> right) =>
            left.Count == right.Count &&
            left.All(entry => right.TryGetValue(entry.Key, out var other) && entry.Value.AsSpan().SequenceEqual(other));

        private static string Difference(
            SortedDictionary<string, byte[]> actual, SortedDictionary<string, byte[]> expected) => string.Join(
            ", ",
            actual.Keys.Union(expected.Keys).Where(key =>
                !actual.TryGetValue(key, out var left) || !expected.TryGetValue(key, out var right) ||
                !left.AsSpan().SequenceEqual(right)).Take(20));
    }
}
