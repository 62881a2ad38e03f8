using System.Text;
using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Pages;
using Ledger.Runtime;
using Xunit;
using Xunit.Abstractions;

namespace Ledger.Tests.Pages;

/// <summary>
/// The crash enumeration again, a storey higher: a whole repository with puts, folds, transactions and values.
/// </summary>
public sealed class PageCrashTests(ITestOutputHelper output)
{
    private const string Root = "/disk/repository";
    private const int StepCount = 12;

    private static readonly (CrashLoss Loss, int Seed)[] Losses =
    [
        (CrashLoss.KeepAll, 0), (CrashLoss.LoseAll, 0), (CrashLoss.LoseNames, 0), (CrashLoss.Torn, 1),
        .. Enumerable.Range(1, TestNumbers.Of(1, nightly: 10)).Select(seed => (CrashLoss.RandomSubset, seed)),
    ];

    [Theory]
    [InlineData(Durability.Flushed)]
    [InlineData(Durability.Buffered)]
    public void After_a_crash_at_every_boundary_every_acknowledged_write_is_there_and_no_transaction_is_half_there(
        Durability durability)
    {
        for (var boundary = 1; ; boundary++)
        {
            foreach (var moment in new[] { CrashMoment.Before, CrashMoment.Middle })
            {
                var life = new Life(durability);
                var disk = new FaultyFileSystem(boundary);
                disk.CreateDirectory("/disk");
                disk.MakeDurable();
                disk.Faults.CrashAt(boundary + disk.Faults.OperationCount, moment);
                var isDone = life.Run(disk, boundary) && !disk.Faults.IsCrashed;
                foreach (var (loss, seed) in Losses)
                {
                    var isPowerLost = loss != CrashLoss.KeepAll;
                    var problem = life.Check(disk.CrashImage(loss, seed + boundary), isPowerLost, boundary);
                    Assert.True(
                        problem is null,
                        $"{moment} boundary {boundary}, {loss} with seed {seed + boundary}: {problem}\n" +
                        $"  the last operation was {disk.Faults.Operations[^1]}");
                }

                if (isDone)
                {
                    output.WriteLine($"{boundary} boundaries");
                    Assert.True(boundary > 40, $"The life has only {boundary} boundaries.");
                    return;
                }
            }
        }
    }

    /// <summary>Steps that each make the page's state a function of their number, and what was said of them.</summary>
    private sealed class Life(Durability durability)
    {
        private int _begun;
        private int _acknowledged;
        private int _flushed;

        public bool Run(FaultyFileSystem disk, int seed)
        {
            try
            {
                TestRuntime.Create(seed, disk).Run(RunAsync);
                return true;
            }
            catch (SimulatedCrashException)
            {
                return false;
            }
        }

        public string? Check(FaultyFileSystem disk, bool isPowerLost, int seed)
        {
            try
            {
                return TestRuntime.Create(seed, disk).Run(async runtime =>
                {
                    await using var repository = await OpenAsync(runtime);
                    var problem = await CompareAsync(repository, isPowerLost ? _flushed : _acknowledged);
                    var report = await repository.VerifyAsync();
                    return problem ?? (report.Problems.Count > 0 ? string.Join(' ', report.Problems) : null);
                });
            }
            catch (LedgerException error)
            {
                return $"{error.GetType().Name}: {error.Message}";
            }
        }

        private Task<Repository> OpenAsync(LedgerRuntime runtime) => Repository.OpenAsync(
            Root, new RepositoryOptions { Runtime = runtime, Durability = durability });

        private async Task RunAsync(LedgerRuntime runtime)
        {
            for (var life = 0; life < 2; life++)
            {
                await using var repository = await OpenAsync(runtime);
                var ledger = await repository.GetLedgerAsync("app");
                await using var page = await ledger.GetPageAsync(PageId.Root);
                for (var i = 0; i < StepCount / 2; i++)
                {
                    await StepAsync(page, ++_begun);
                    _acknowledged = _begun;
                    _flushed = durability == Durability.Flushed ? _begun : _flushed;
                }
            }

            _flushed = _acknowledged; // The clean close flushes.
        }

        /// <summary>Every third step is a plain put, every third a put and a fold, every third a transaction.</summary>
        private static async Task StepAsync(IPage page, int step)
        {
            if (step % 3 == 0)
            {
                await using var transaction = await page.BeginTransactionAsync();
                await transaction.PutAsync(Utf8("left"), Utf8($"{step}"));
                await transaction.PutAsync(Utf8("large"), Large(step));
                await transaction.PutAsync(Utf8("right"), Utf8($"{step}"));
                await transaction.CommitAsync();
                return;
            }

            await page.PutAsync(Utf8($"put-{step:d2}"), Utf8($"{step}"));
            if (step % 3 == 2)
            {
                await using var snapshot = await page.GetSnapshotAsync();
            }
        }

        private async Task<string?> CompareAsync(Repository repository, int least)
        {
            var ledger = await repository.GetLedgerAsync("app");
            await using var page = await ledger.GetPageAsync(PageId.Root);
            await using var snapshot = await page.GetSnapshotAsync();
            var found = new SortedDictionary<string, string>(StringComparer.Ordinal);
            await foreach (var entry in snapshot.GetEntriesAsync())
            {
                found.Add(Encoding.UTF8.GetString(entry.Key.Span), Text(entry.Value!.Value));
            }

            for (var step = least; step <= _begun; step++)
            {
                if (found.SequenceEqual(StateAfter(step)))
                {
                    return null;
                }
            }

            return $"the state is that of no step from {least} to {_begun}: {string.Join(' ', found)}";
        }

        private static SortedDictionary<string, string> StateAfter(int steps)
        {
            var state = new SortedDictionary<string, string>(StringComparer.Ordinal);
            for (var step = 1; step <= steps; step++)
            {
                if (step % 3 == 0)
                {
                    (state["left"], state["right"]) = ($"{step}", $"{step}");
                    state["large"] = Text(Large(step));
                }
                else
                {
                    state[$"put-{step:d2}"] = $"{step}";
                }
            }

            return state;
        }

        private static byte[] Large(int step)
        {
            var value = new byte[70_000];
            new Random(step).NextBytes(value);
            return value;
        }

        private static string Text(ReadOnlyMemory<byte> value) => value.Length > 100
            ? $"{value.Length} bytes {ObjectId.Of(ObjectKind.Value, value.Span)}"
            : Encoding.UTF8.GetString(value.Span);

        private static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text);
    }
}
