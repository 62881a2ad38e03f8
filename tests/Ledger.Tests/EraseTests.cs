using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Pages;
using Ledger.Runtime;
using Xunit;
using static Ledger.Conformance.PageText;

namespace Ledger.Tests;

/// <summary>Erasing what a device has, on a disk that fails or loses power.</summary>
public sealed class EraseTests
{
    private const string Home = "/disk/repository";

    private static readonly CrashLoss[] Losses =
        [CrashLoss.KeepAll, CrashLoss.LoseAll, CrashLoss.LoseNames, CrashLoss.LoseContents, CrashLoss.RandomSubset];

    [Fact]
    public void Cut_short_at_any_operation_erasing_leaves_each_ledger_whole_or_empty()
    {
        var before = MakeDisk();
        for (var (operation, isDone) = (1, false); !isDone; operation++)
        {
            var disk = before.CrashImage(CrashLoss.KeepAll, operation);
            disk.Faults.CrashAt(operation, (CrashMoment)(operation % 3));
            isDone = TryErase(disk, operation);
            foreach (var loss in Losses)
            {
                var image = disk.CrashImage(loss, operation);
                var found = TestRuntime.Create(operation, image).Run(ReadAsync);

                Assert.True(
                    found is ("a=1", "b=2") or ("", "") or ("a=1", "") or ("", "b=2") &&
                    (!isDone || found is ("", "")),
                    $"Operation {operation}, {loss}: {found}\n{string.Join('\n', disk.Faults.Operations)}");
            }
        }
    }

    [Fact]
    public void On_a_full_disk_ledgers_can_be_erased()
    {
        var disk = MakeDisk();
        disk.Faults.FillAt(disk.Faults.OperationCount + 1, evenWhereReserved: true);

        TestRuntime.Create(1, disk).Run(async runtime =>
        {
            await using var repository =
                await Repository.OpenAsync(Home, new RepositoryOptions { Runtime = runtime });
            await repository.EraseLocalAsync();

            Assert.DoesNotContain(
                disk.Files(), static path => path.Contains("/ledgers/", StringComparison.Ordinal));
            disk.Faults.FreeSpace();
            Assert.Empty(await repository.ListLedgersAsync());
        });
    }

    [Fact]
    public void A_ledger_that_cannot_be_closed_is_not_handed_out_again()
    {
        var disk = MakeDisk();
        TestRuntime.Create(1, disk).Run(async runtime =>
        {
            await using var repository =
                await Repository.OpenAsync(Home, new RepositoryOptions { Runtime = runtime });
            foreach (var name in new[] { "first", "second" })
            {
                await using var page = await (await repository.GetLedgerAsync(name)).GetPageAsync(PageId.Root);
                await page.PutAsync(Bytes("c"), Bytes("3"), durability: Durability.Buffered);
            }

            disk.Faults.FlushFailureProbability = 1;
            await Assert.ThrowsAsync<OutcomeUnknownException>(() => repository.EraseLocalAsync());
            disk.Faults.FlushFailureProbability = 0;

            await using (var page = await (await repository.GetLedgerAsync("first")).GetPageAsync(PageId.Root))
            {
                Assert.StartsWith("a=1", await page.ShowAsync(), StringComparison.Ordinal);
            }

            await repository.EraseLocalAsync();
            Assert.Empty(await repository.ListLedgersAsync());
        });
    }

    private static FaultyFileSystem MakeDisk()
    {
        var disk = new FaultyFileSystem(1);
        disk.CreateDirectory("/disk");
        TestRuntime.Create(1, disk).Run(async runtime =>
        {
            await using var repository =
                await Repository.OpenAsync(Home, new RepositoryOptions { Runtime = runtime });
            foreach (var (name, key) in new[] { ("first", "a"), ("second", "b") })
            {
                await using var page = await (await repository.GetLedgerAsync(name)).GetPageAsync(PageId.Root);
                await page.PutAsync(key, key == "a" ? "1" : "2");
            }
        });
        disk.MakeDurable();
        return disk;
    }

    private static bool TryErase(FaultyFileSystem disk, int seed)
    {
        try
        {
            TestRuntime.Create(seed, disk).Run(async runtime =>
            {
                var repository = await Repository.OpenAsync(Home, new RepositoryOptions { Runtime = runtime });
                await repository.EraseLocalAsync();
            });
            return !disk.Faults.IsCrashed;
        }
        catch (SimulatedCrashException)
        {
            return false;
        }
    }

    private static async Task<(string First, string Second)> ReadAsync(LedgerRuntime runtime)
    {
        await using var repository = await Repository.OpenAsync(Home, new RepositoryOptions { Runtime = runtime });
        await repository.ListLedgersAsync();
        return (await ShowAsync("first"), await ShowAsync("second"));

        async Task<string> ShowAsync(string name)
        {
            await using var page = await (await repository.GetLedgerAsync(name)).GetPageAsync(PageId.Root);
            return await page.ShowAsync();
        }
    }
}
