using Ledger.Conformance;
using Ledger.Pages;
using Ledger.Pages.Merging;
using Ledger.Runtime;
using Xunit;
using static Ledger.Conformance.PageText;

namespace Ledger.Tests.Pages.Merging;

/// <summary>
/// A life with merges that a crash ends at each operation of the disk: everything acknowledged is there after the next
/// opening, in one head, and a verification is clean.
/// </summary>
public sealed class MergeCrashTests
{
    private const string Home = "/disk/repository";

    [Fact]
    public void A_crash_at_any_operation_of_a_merge_loses_nothing_acknowledged()
    {
        var wholeDisk = MakeDisk();
        Assert.True(Run(wholeDisk, []));
        var operations = wholeDisk.Faults.OperationCount;

        for (var operation = 1; operation <= operations; operation++)
        {
            var disk = MakeDisk();
            var acknowledged = new Dictionary<string, string>();
            disk.Faults.CrashAt(operation, (CrashMoment)(operation % 3));
            Run(disk, acknowledged);
            foreach (var loss in Enum.GetValues<CrashLoss>())
            {
                var problem = Check(disk.CrashImage(loss, operation), acknowledged);
                Assert.True(problem is null, $"Operation {operation} of {operations}, {loss}: {problem}");
            }
        }

        Assert.InRange(operations, 20, 500);
    }

    private static FaultyFileSystem MakeDisk()
    {
        var disk = new FaultyFileSystem(seed: 1);
        disk.CreateDirectory("/disk");
        disk.MakeDurable();
        return disk;
    }

    private static bool Run(FaultyFileSystem disk, Dictionary<string, string> acknowledged)
    {
        try
        {
            TestRuntime.Create(seed: 1, disk).Run(runtime => LiveAsync(runtime, disk, acknowledged));
            return true;
        }
        catch (SimulatedCrashException)
        {
            return false;
        }
    }

    private static async Task LiveAsync(
        LedgerRuntime runtime, FaultyFileSystem disk, Dictionary<string, string> acknowledged)
    {
        await using var repository = await Repository.OpenAsync(Home, new() { Runtime = runtime });
        var ledger = await repository.GetLedgerAsync("notes");
        var answer = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var resolver = new TestResolver(async (_, _) => await answer.Task);
        ledger.SetConflictResolver(MergePolicy.Custom, resolver);
        await using var left = await ledger.GetPageAsync(PageId.Root);
        await using var right = await ledger.GetPageAsync(PageId.Root);
        await PutAsync(left, "base");
        await using (var first = await left.BeginTransactionAsync())
        await using (var second = await right.BeginTransactionAsync())
        {
            await first.PutAsync("first", "first");
            await second.PutAsync("second", "second");
            await first.CommitAsync();
            acknowledged["first"] = "first";
            await second.CommitAsync();
            acknowledged["second"] = "second";
        }

        // Entries on both branches while the resolver is asked: the merge puts them in one row.
        await AliveAsync(resolver.Asked.Task);
        await PutAsync(left, "on the left");
        await PutAsync(right, "on the right");
        answer.SetResult();
        await AliveAsync(left.WaitForMergesAsync());
        await PutAsync(right, "after");
        await left.GetSnapshotAsync();
        await PutAsync(left, "last");

        // The merger of a dead process would try for ever.
        async Task AliveAsync(Task work)
        {
            while (!work.IsCompleted)
            {
                await runtime.Delay(TimeSpan.FromMilliseconds(1), default);
                if (disk.Faults.IsCrashed)
                {
                    throw new SimulatedCrashException("The process has died.");
                }
            }

            await work;
        }

        async Task PutAsync(IPage page, string key)
        {
            await page.PutAsync(key, key);
            acknowledged[key] = key;
        }
    }

    private static string? Check(FaultyFileSystem image, Dictionary<string, string> acknowledged) =>
        TestRuntime.Create(seed: 2, image).Run(async runtime =>
        {
            await using var repository = await Repository.OpenAsync(Home, new() { Runtime = runtime });
            var ledger = await repository.GetLedgerAsync("notes");
            await using var page = await ledger.GetPageAsync(PageId.Root);
            await page.WaitForMergesAsync();
            var report = await repository.VerifyAsync();
            var entries = await (await page.GetSnapshotAsync()).GetEntriesAsync()
                .ToDictionaryAsync(entry => Text(entry.Key), entry => Text(entry.Value!.Value));
            var lost = acknowledged.Keys.Except(entries.Keys).ToList();
            return report.Problems.Count > 0 ? string.Join(' ', report.Problems)
                : lost.Count > 0 ? $"lost {string.Join(", ", lost)}"
                : (await page.GetHeadsAsync()).Count != 1 ? "there is more than one head"
                : null;
        });
}
