using System.Globalization;
using System.Text;
using Ledger.EndToEnd.Processes;
using Ledger.Runtime;
using Ledger.Streams;
using Ledger.Streams.Consumers;
using Ledger.Streams.Sqlite;
using Xunit;

namespace Ledger.EndToEnd.Streams;

/// <summary>
/// Three processes are instances of one consumer; whoever works is killed, or paused for longer than the lease. Each
/// entry is handled at least once and in the order of its stream; what is handled again was out when a lease ended.
/// </summary>
public sealed class ConsumerProcessTests
{
    private const int Instances = 3;
    private const int QuickStreams = 6;
    private const int QuickEntries = 30;
    private const int SlowEntries = 3;

    private static int Disturbances => Environment.GetEnvironmentVariable("LEDGER_NIGHTLY") == "1" ? 60 : 6;

    private readonly LedgerRuntime _runtime = LedgerRuntime.CreateSystem();

    [Fact]
    public async Task Killed_and_paused_instances_handle_every_entry_in_stream_order_and_hold_nothing_up()
    {
        using var directory = new TestDirectory();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(100 + (10 * Disturbances)));
        await using var work = new SqliteStreamStore(new() { DataSource = directory["app.db"], Store = "work" });
        await using var effects = new SqliteStreamStore(new() { DataSource = directory["app.db"], Store = "effects" });
        await effects.EnsureCreatedAsync();
        var last = await FillAsync(work);
        var startMs = _runtime.WallClockMs();
        await using var workers = new Workers(directory["app.db"], Instances);

        var disturbed = await DisturbAsync(effects, workers, limit.Token);
        var entries = await work.ReadAllAsync().ToListAsync();
        var blamed = new HashSet<long>();
        var released = 0;
        ConsumerInfo consumer;
        do
        {
            await _runtime.Delay(TimeSpan.FromMilliseconds(50), limit.Token);
            consumer = (await work.ListConsumersAsync(limit.Token)).Single();

            // On a machine that is too busy to renew a lease, whoever was out at every loss is parked: as people do,
            // it is tried again.
            foreach (var parked in consumer.Parked.Where(parked => IsInnocent(entries, parked)))
            {
                blamed.Add(parked.Position.Value);
                released++;
                await work.ReleaseParkedAsync(ConsumerChild.Consumer, parked.Position, retry: true, limit.Token);
            }
        }
        while (consumer.Read.Value < last || consumer.Pending > 0
            || consumer.Parked.Any(parked => IsInnocent(entries, parked)));
        await workers.DisposeAsync();

        var all = await effects.ReadAllAsync().Select(Effect.Of).ToListAsync();
        AssertHandled(entries, all, consumer);
        AssertLeases(consumer.Epoch, released, TimeSpan.FromMilliseconds(_runtime.WallClockMs() - startMs));
        AssertAgain(all, disturbed, blamed);
        AssertInOrder(entries, [.. all.Where(effect => !blamed.Contains(effect.Position))]);
        Assert.Equal(
            ["deadly 10", "poison 10"],
            consumer.Parked.Select(parked =>
                $"{TextOf(entries.Single(entry => entry.Id == parked.Id))} {parked.Attempts}").Order());
    }

    [Theory]
    [InlineData("hold")]
    [InlineData("fail")]
    public async Task Who_is_paused_for_longer_than_its_lease_is_told_that_it_is_lost_and_changes_nothing(string mode)
    {
        using var directory = new TestDirectory();
        await using var work = new SqliteStreamStore(new() { DataSource = directory["app.db"], Store = "work" });
        await work.AppendAsync("s", new NewEntry("x"u8.ToArray()));
        string[] arguments = ["consumer", directory["app.db"], "first", mode];
        using var first = Child.Start("Ledger.EndToEnd.dll", directory.Path, arguments);
        Assert.Equal("received 1 1 1", await first.ReadLineAsync());
        await first.SignalAsync("STOP");

        using var second = Child.Start("Ledger.EndToEnd.dll", directory.Path, [.. arguments[..3], "hold"]);
        Assert.Equal("received 1 2 2", await second.ReadLineAsync());
        await first.WriteAsync(Shell.Bytes("\n"));
        await first.SignalAsync("CONT");
        var lost = await first.ReadLineAsync();
        var between = (await work.ListConsumersAsync()).Single();
        await second.WriteAsync(Shell.Bytes("\n"));
        var accepted = await second.ReadLineAsync();

        Assert.Equal(("lost 1 2", "accepted"), (lost, accepted));
        Assert.Equal((2L, 1), (between.Epoch, between.Pending));
        Assert.Equal((0, ""), await EndAsync(first));
        Assert.Equal((0, ""), await EndAsync(second));
        var after = (await work.ListConsumersAsync()).Single();
        Assert.Equal((1L, 0), (after.Position.Value, after.Pending));
    }

    [Fact]
    public async Task What_was_acknowledged_just_before_a_kill_is_done_and_what_was_out_is_handed_out_again()
    {
        using var directory = new TestDirectory();
        await using var work = new SqliteStreamStore(new() { DataSource = directory["app.db"], Store = "work" });
        var entry = new NewEntry("x"u8.ToArray());
        await work.AppendAsync([new StreamAppend("a", [entry]), new StreamAppend("b", [entry])]);
        string[] arguments = ["consumer", directory["app.db"], "first"];

        using var first = Child.Start("Ledger.EndToEnd.dll", directory.Path, [.. arguments, "die"]);
        Assert.Equal((137, ""), await EndAsync(first));
        var left = (await work.ListConsumersAsync()).Single();
        using var second = Child.Start("Ledger.EndToEnd.dll", directory.Path, [.. arguments, "hold"]);
        var received = await second.ReadLineAsync();
        await second.WriteAsync(Shell.Bytes("\n"));
        var accepted = await second.ReadLineAsync();

        Assert.Equal((1L, 1), (left.Position.Value, left.Pending));
        Assert.Equal(("received 2 2 2", "accepted"), (received, accepted));
        Assert.Equal((0, ""), await EndAsync(second));
    }

    private static async Task<(int ExitCode, string Error)> EndAsync(Child child)
    {
        var result = await child.EndAsync();
        return (result.ExitCode, result.Error);
    }

    /// <summary>Quick streams, two with an entry that cannot be handled, and one that waits for the quick.</summary>
    /// <returns>The last position.</returns>
    private static async Task<long> FillAsync(SqliteStreamStore work)
    {
        static NewEntry New(string text) => new(Encoding.ASCII.GetBytes(text));

        // Done before the deadly one comes: what is out whenever that one strikes is blamed with it.
        await work.AppendAsync(
            "slow", [.. Enumerable.Range(1, SlowEntries).Select(number => New($"after {10 + (10 * number)}"))]);
        for (var index = 0; index < QuickEntries; index++)
        {
            await work.AppendAsync([.. Enumerable.Range(0, QuickStreams).Select(stream => new StreamAppend(
                $"quick-{stream}",
                [New((stream, index) switch { (1, 5) => "poison", (2, 20) => "deadly", _ => "plain" })]))]);
        }

        return (QuickStreams * QuickEntries) + SlowEntries;
    }

    /// <summary>Kills, or pauses for longer than the lease, by turns, whoever had the last effect.</summary>
    /// <returns>The leases that ended by it.</returns>
    private async Task<HashSet<long>> DisturbAsync(
        SqliteStreamStore effects, Workers workers, CancellationToken cancellationToken)
    {
        var ended = new HashSet<long>();
        var (disturbed, since) = (0, 0);
        await foreach (var item in effects.SubscribeAllAsync(cancellationToken: cancellationToken))
        {
            if (item is not EntryItem<Entry> { Entry: var entry } || ++since < 12)
            {
                continue;
            }

            // Who was paused may hold the lock of the file: all wait for it then, and its lease runs out all the same.
            var effect = Effect.Of(entry);
            var holder = effect.Instance;
            ended.Add(effect.Epoch);
            if (disturbed % 2 == 0)
            {
                workers.Kill(holder);
            }
            else if (await workers.SignalAsync(holder, "STOP"))
            {
                await _runtime.Delay(2 * ConsumerChild.Options.LeaseDuration, cancellationToken);
                await workers.SignalAsync(holder, "CONT");
            }

            since = 0;
            if (++disturbed == Disturbances)
            {
                return ended;
            }
        }

        return ended;
    }

    private static void AssertHandled(List<Entry> entries, List<Effect> all, ConsumerInfo consumer)
    {
        var parked = consumer.Parked.Select(entry => entry.Position.Value).ToHashSet();
        var done = all.Where(effect => effect.Outcome == "done").ToList();
        var missing = entries.Select(entry => entry.Position!.Value.Value)
            .Except(done.Select(effect => effect.Position)).Except(parked);
        Assert.Empty(missing);
        Assert.DoesNotContain(done, effect => parked.Contains(effect.Position));
    }

    /// <summary>
    /// Leases ended, and each only when it had run out: no instance gives one back here. A release is an epoch of its
    /// own, and ends the lease before it at once.
    /// </summary>
    private static void AssertLeases(long epoch, int released, TimeSpan elapsed)
    {
        Assert.True(epoch > Disturbances / 2, $"There were {epoch} leases for {Disturbances} disturbances.");
        Assert.True(
            (epoch - 1 - (2 * released)) * ConsumerChild.Options.LeaseDuration <= elapsed,
            $"There were {epoch} leases within {elapsed}, and {released} releases.");
    }

    /// <summary>
    /// What was handled again was out when a lease ended, as a later try under a later lease says; and at the end of a
    /// lease at most one entry is out for each handler.
    /// </summary>
    /// <param name="all">The effects.</param>
    /// <param name="disturbed">The leases that the test ended.</param>
    /// <param name="blamed">Entries that were released, whose tries are counted anew.</param>
    private static void AssertAgain(List<Effect> all, HashSet<long> disturbed, HashSet<long> blamed)
    {
        // One that was paused may say late what it did.
        var again = all.Where(effect => effect.Outcome == "done").GroupBy(effect => effect.Position)
            .Select(effects => effects.OrderBy(effect => effect.Epoch).ToList())
            .SelectMany(effects => effects.Zip(effects.Skip(1), (First, Next) => (First, Next))).ToList();
        Assert.All(again, pair => Assert.True(
            pair.Next.Epoch > pair.First.Epoch
                && (pair.Next.Attempt > pair.First.Attempt || blamed.Contains(pair.First.Position)),
            $"{pair.First} was acknowledged, or out no longer, when there was {pair.Next}."));

        var outMax = ConsumerChild.Options.Concurrency;
        foreach (var lease in again.GroupBy(pair => pair.First.Epoch))
        {
            Assert.True(
                lease.Count() <= outMax,
                $"{lease.Count()} entries of lease {lease.Key} were handled again; at most {outMax} were out.");
        }

        // The other leases a slow machine has ended, which did not renew them in time.
        var ended = all.Where(effect => effect.Outcome == "deadly").Select(effect => effect.Epoch)
            .Union(disturbed).ToHashSet();
        var byTest = again.Count(pair => ended.Contains(pair.First.Epoch));
        Assert.True(
            ended.Count <= Disturbances + ConsumerChild.Options.AttemptsMax && byTest <= outMax * ended.Count,
            $"{byTest} entries were handled again after {ended.Count} deaths and pauses.");
    }

    /// <summary>The first effects of a stream are in order, and none is before the last of a failed entry.</summary>
    private static void AssertInOrder(List<Entry> entries, List<Effect> all)
    {
        foreach (var stream in entries.GroupBy(entry => entry.Stream))
        {
            var positions = stream.Select(entry => entry.Position!.Value.Value).ToHashSet();
            var effects = all.Where(effect => positions.Contains(effect.Position)).ToList();
            var firsts = effects.DistinctBy(effect => effect.Position).Select(effect => effect.Position).ToList();
            Assert.Equal(firsts.Order(), firsts);
            foreach (var failed in effects.Where(effect => effect.Outcome != "done").Select(effect => effect.Position))
            {
                var until = effects.FindLastIndex(effect => effect.Position == failed);
                Assert.DoesNotContain(effects[..until], effect => effect.Position > failed);
            }
        }
    }

    private static bool IsInnocent(List<Entry> entries, ParkedEntry parked) =>
        TextOf(entries.Single(entry => entry.Id == parked.Id)) is not ("poison" or "deadly");

    private static string TextOf(Entry entry) => Encoding.ASCII.GetString(entry.Payload.Span);

    /// <summary>What a handler did.</summary>
    private sealed record Effect(string Instance, string Outcome, long Position, int Attempt, long Epoch)
    {
        public static Effect Of(Entry entry)
        {
            var words = TextOf(entry).Split(' ');
            static long Number(string word) => long.Parse(word, CultureInfo.InvariantCulture);
            return new Effect(words[0], words[1], Number(words[2]), (int)Number(words[3]), Number(words[4]));
        }
    }

    /// <summary>Instances that are started again whenever they end, each time under another name.</summary>
    private sealed class Workers : IAsyncDisposable
    {
        private readonly Lock _gate = new();
        private readonly Dictionary<string, Child> _children = [];
        private readonly Task[] _running;
        private readonly string _path;
        private int _started;
        private bool _isOver;

        public Workers(string path, int count)
        {
            _path = path;
            _running = [.. Enumerable.Range(0, count).Select(_ => RunAsync())];
        }

        public void Kill(string name) => Find(name)?.Kill();

        public async Task<bool> SignalAsync(string name, string signal)
        {
            if (Find(name) is not { } child)
            {
                return false;
            }

            await child.SignalAsync(signal);
            return true;
        }

        public async ValueTask DisposeAsync()
        {
            lock (_gate)
            {
                _isOver = true;
                foreach (var child in _children.Values)
                {
                    child.Kill();
                }
            }

            await Task.WhenAll(_running);
        }

        private Child? Find(string name)
        {
            lock (_gate)
            {
                return _children.GetValueOrDefault(name);
            }
        }

        private async Task RunAsync()
        {
            while (Start() is var (name, child) && child is not null)
            {
                var result = await child.EndAsync();
                Assert.True(result.ExitCode is 137 or 99, $"{name} ended with {result.ExitCode}: {result.Error}");
                lock (_gate)
                {
                    _children.Remove(name);
                }

                child.Dispose();
            }
        }

        private (string Name, Child? Child) Start()
        {
            lock (_gate)
            {
                var name = string.Create(CultureInfo.InvariantCulture, $"i{++_started}");
                if (_isOver)
                {
                    return (name, null);
                }

                _children[name] = Child.Start(
                    "Ledger.EndToEnd.dll", Path.GetDirectoryName(_path)!, "consumer", _path, name);
                return (name, _children[name]);
            }
        }
    }
}
