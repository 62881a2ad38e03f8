using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Pages;
using Ledger.Runtime;
using Ledger.Trees;
using Xunit;
using static Ledger.Conformance.PageText;

namespace Ledger.Tests.Pages;

/// <summary>
/// A scripted life of a repository that a crash ends at each operation of the disk, with each class of loss: what was
/// acknowledged is there, transactions are whole or absent, and a verification is clean: it rebuilds the trees that
/// were not stored and compares their roots.
/// </summary>
public sealed class PageCrashTests
{
    private const string Home = "/disk/repository";

    [Theory]
    [InlineData(Durability.Flushed, 1)]
    [InlineData(Durability.Flushed, 3)]
    [InlineData(Durability.Flushed, 1000)]
    [InlineData(Durability.Buffered, 2)]
    public void A_crash_at_any_operation_loses_nothing_acknowledged_and_leaves_no_half_transaction(
        Durability durability, int commitsPerWriteBack)
    {
        var (operations, problems) = Enumerate(durability, commitsPerWriteBack, PlantedBugs.None);

        Assert.True(problems.Count == 0, string.Join('\n', problems));
        Assert.InRange(operations, 40, 1000);
    }

    [Fact]
    public void A_fold_on_the_wrong_base_is_found()
    {
        var (_, problems) = Enumerate(Durability.Flushed, 3, PlantedBugs.FoldOnWrongBase);

        Assert.NotEmpty(problems);
    }

    [Fact]
    public void A_clock_that_was_set_back_before_a_restart_issues_no_timestamp_twice_also_over_a_deletion()
    {
        var disk = new MemoryFileSystem();
        var times = new List<HybridTimestamp>();
        for (var life = 0; life < 5; life++)
        {
            var world = TestRuntime.Create(seed: life, disk);
            world.Time.Offset = TimeSpan.FromDays(-life);
            world.Run(async runtime =>
            {
                await using var repository = await Repository.OpenAsync(Home, new() { Runtime = runtime });
                var ledger = (LedgerStore)await repository.GetLedgerAsync("notes");
                await using var page = await ledger.GetPageAsync(PageId.Root);
                await page.PutAsync("key", $"{life}");
                var head = (await page.GetSnapshotAsync()).Commit.Id;
                times.Add((await ledger.Services.Graph.ReadAsync(head, default)).Timestamp);
                await page.PutAsync("journal", $"{life}");
                if (life == 2)
                {
                    await ledger.DeletePageAsync(PageId.Root);
                }
            });
        }

        Assert.Equal(times.Distinct().Order(), times);
    }

    /// <summary>Crashes at each operation, until something is wrong.</summary>
    private static (int Operations, List<string> Problems) Enumerate(
        Durability durability, int commitsPerWriteBack, PlantedBugs bugs)
    {
        var options = new RepositoryOptions
        {
            Durability = durability,
            WriteBackLimits = WriteBackLimits.Default with { Commits = commitsPerWriteBack },
            Bugs = bugs,
        };
        var whole = new Script(options);
        var wholeDisk = MakeDisk();
        Assert.True(whole.Run(wholeDisk));
        var operations = wholeDisk.Faults.OperationCount;
        var problems = new List<string>();
        for (var operation = 1; operation <= operations && problems.Count == 0; operation++)
        {
            var moment = (CrashMoment)(operation % 3);
            var script = new Script(options);
            var disk = MakeDisk();
            disk.Faults.CrashAt(operation, moment);
            script.Run(disk);
            foreach (var loss in Enum.GetValues<CrashLoss>())
            {
                if (script.Check(disk.CrashImage(loss, operation), loss != CrashLoss.KeepAll) is { } problem)
                {
                    problems.Add($"Operation {operation} of {operations}, {moment}, {loss}, {durability}: {problem}");
                }
            }
        }

        return (operations, problems);
    }

    private static FaultyFileSystem MakeDisk()
    {
        var disk = new FaultyFileSystem(seed: 1);
        disk.CreateDirectory("/disk");
        disk.MakeDurable();
        return disk;
    }

    /// <summary>Steps with the state after each; what was acknowledged when the process died.</summary>
    private sealed class Script(RepositoryOptions options)
    {
        private readonly List<string> _states = [""];
        private int _acknowledged;
        private int _flushed;

        public bool Run(FaultyFileSystem disk)
        {
            try
            {
                TestRuntime.Create(seed: 1, disk).Run(RunAsync);
                return true;
            }
            catch (SimulatedCrashException)
            {
                return false;
            }
        }

        public string? Check(FaultyFileSystem image, bool powerLost)
        {
            try
            {
                return TestRuntime.Create(seed: 2, image).Run(async runtime =>
                {
                    var found = await CheckAsync(runtime, powerLost ? _flushed : _acknowledged);
                    return found ?? await CheckAsync(runtime, least: null);
                });
            }
            catch (LedgerException error)
            {
                return $"{error.GetType().Name}: {error.Message}";
            }
        }

        /// <summary>Opens and compares, then adds a key; the second time that key alone is asked for.</summary>
        private async Task<string?> CheckAsync(LedgerRuntime runtime, int? least)
        {
            await using var repository = await Repository.OpenAsync(Home, options with { Runtime = runtime });
            await using var page = await (await repository.GetLedgerAsync("notes")).GetPageAsync(PageId.Root);
            if (least is null)
            {
                return await page.GetAsync("added") == "yes" ? null : "a write after the crash is gone";
            }

            var state = await page.ShowAsync();
            var report = await repository.VerifyAsync();
            if (report.Problems.Count > 0)
            {
                return string.Join(' ', report.Problems);
            }

            await page.PutAsync("added", "yes");
            return _states.LastIndexOf(state) >= least
                ? null
                : $"the state is '{state}', not one of '{string.Join("', '", _states.Skip(least.Value))}'";
        }

        private async Task RunAsync(LedgerRuntime runtime)
        {
            await using var repository = await Repository.OpenAsync(Home, options with { Runtime = runtime });
            var ledger = await repository.GetLedgerAsync("notes");
            await using var page = await ledger.GetPageAsync(PageId.Root);
            await StepAsync("a=1", () => page.PutAsync("a", "1"));
            await StepAsync("a=1,b=2", () => page.PutAsync("b", "2"));
            await page.GetSnapshotAsync();
            await StepAsync("a=3,b=2", () => page.PutAsync("a", "3"));
            await StepAsync("b=4,c=5", () => CommitAsync(page, ("a", null), ("b", "4"), ("c", "5")));
            var large = new string('x', 700);
            await StepAsync($"b=4,c={large}", () => page.PutAsync("c", large));
            await StepAsync("b=4", () => page.DeleteAsync("c"));
            await runtime.Delay(TimeSpan.FromSeconds(2), default);
            await StepAsync("", () => page.ClearAsync());
            await StepAsync("d=6", () => page.PutAsync("d", "6"));

            // A tree of two levels, and back: trees that are superseded before they are stored.
            var many = Enumerable.Range(10, 40).Select(number => $"e{number}").ToList();
            var value = new string('z', 200);
            await StepAsync(
                $"d=6,{string.Join(',', many.Select(key => $"{key}={value}"))}",
                () => CommitAsync(page, [.. many.Select(key => (key, (string?)value))]));
            await page.GetSnapshotAsync();
            await StepAsync("d=6", () => CommitAsync(page, [.. many.Select(key => (key, (string?)null))]));
            var reference = await page.CreateReferenceAsync(new byte[100_000]);
            page.ReleaseReference(reference);
            var referenced = await page.CreateReferenceAsync(Bytes(new string('y', 70_000)));
            await StepAsync($"d=6,e={new string('y', 70_000)}", () => page.PutReferenceAsync(Bytes("e"), referenced));
            await StepAsync("f=7,g=8", async () =>
            {
                await using var transaction = await page.BeginTransactionAsync();
                await transaction.ClearAsync();
                await transaction.PutAsync("f", "7");
                await transaction.PutAsync("g", "8");
                await transaction.CommitAsync();
            });
            await StepAsync("", () => ledger.DeletePageAsync(PageId.Root), always: true);
            await using var again = await ledger.GetPageAsync(PageId.Root);
            await StepAsync("new=9", () => again.PutAsync("new", "9"));
            await repository.FlushAsync();
            _flushed = _acknowledged;
        }

        private async Task StepAsync(string after, Func<Task> work, bool always = false)
        {
            _states.Add(after);
            await work();
            _acknowledged = _states.Count - 1;
            _flushed = always || options.Durability == Durability.Flushed ? _acknowledged : _flushed;
        }

        private static async Task CommitAsync(IPage page, params (string Key, string? Value)[] changes)
        {
            await using var transaction = await page.BeginTransactionAsync();
            foreach (var (key, value) in changes)
            {
                await (value is null ? transaction.DeleteAsync(key) : transaction.PutAsync(key, value));
            }

            await transaction.CommitAsync();
        }
    }
}
