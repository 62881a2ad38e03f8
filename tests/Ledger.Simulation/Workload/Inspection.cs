using System.Globalization;
using Ledger.Runtime;
using Ledger.Simulation.Model;
using Ledger.Simulation.Worlds;

namespace Ledger.Simulation.Workload;

/// <summary>
/// Opens a device whose disk has lost a bit at rest: what was acknowledged is there as it was, or somebody says that
/// something is damaged; never is it just gone, or other than it was.
/// </summary>
/// <param name="run">The run.</param>
/// <param name="damage">Which bit, for the message.</param>
/// <param name="expected">What each page had when the device was closed: write ids by key.</param>
internal sealed class Inspection(Run run, string damage, IReadOnlyList<SortedDictionary<int, long>> expected)
{
    private static readonly TimeSpan SyncTime = TimeSpan.FromMinutes(2);

    /// <summary>Everything was looked at.</summary>
    public bool IsDone { get; private set; }

    /// <summary>Looks; whatever is not told as an error that has a type is a violation.</summary>
    public async Task RunAsync(Session session)
    {
        var isReported = false;
        try
        {
            await session.OpenAsync();
            isReported = await IsDamagedAsync(session);
        }
        catch (LedgerException problem) when (problem is not InvariantException)
        {
            Say(problem);
            IsDone = true;
            return;
        }
        catch (Exception problem) when (!session.Life.IsDead && problem is not ViolationException)
        {
            throw new ViolationException("R9", $"{damage}, and opening or verifying ended so: {problem}");
        }

        foreach (var page in run.Pages)
        {
            await CheckAsync(session, page, isReported);
        }

        await SynchronizeAsync(session);
        run.World.Trace(46, isReported ? 1UL : 0);
        IsDone = true;
    }

    private async Task<bool> IsDamagedAsync(Session session)
    {
        var report = await session.Repository.VerifyAsync();
        run.Say($"{damage}: {(session.Services.IsReadOnly ? "read-only, " : "")}{string.Join(' ', report.Problems)}");
        return session.Services.IsReadOnly || report.Problems.Count > 0;
    }

    private async Task CheckAsync(Session session, PageModel page, bool isReported)
    {
        var where = string.Create(
            CultureInfo.InvariantCulture, $"device {session.Device.Number}, page {page.Number}, {damage}");
        SortedDictionary<int, long> found;
        try
        {
            await using var connection = await session.Ledger.GetPageAsync(page.Id);
            await using var snapshot = await connection.GetSnapshotAsync();
            found = await Checks.ScanAsync(page, snapshot, where);
        }
        catch (LedgerException problem) when (isReported && problem is not InvariantException)
        {
            Say(problem);
            return;
        }
        catch (Exception problem) when (!session.Life.IsDead && problem is not ViolationException)
        {
            throw new ViolationException("R9", $"{where}: nobody said so, and reading ended so: {problem}");
        }

        if (!isReported && !Checks.AreEqual(found, expected[page.Number]))
        {
            var key = found.Keys.Union(expected[page.Number].Keys).First(
                key => found.GetValueOrDefault(key) != expected[page.Number].GetValueOrDefault(key));
            throw new ViolationException(
                "R9", $"{where}: nobody said so, and key {key} has [{run.Model.Find(found.GetValueOrDefault(key))}] " +
                $"and not [{run.Model.Find(expected[page.Number].GetValueOrDefault(key))}].");
        }
    }

    /// <summary>It takes part as far as it can; that the others do not change is seen afterwards.</summary>
    private async Task SynchronizeAsync(Session session)
    {
        if (!run.Options.HasCloud || session.Services.IsReadOnly)
        {
            return;
        }

        var end = new CancellationTokenSource(); // Without a timer there is nothing to dispose of.
        try
        {
            var engine = await session.StartEngineAsync();
            _ = session.RunWorkerAsync(async () =>
            {
                await session.Runtime.Delay(SyncTime, CancellationToken.None);
                end.Cancel();
            });
            await engine.SyncNowAsync(end.Token);
        }
        catch (LedgerException problem) when (problem is not InvariantException)
        {
            Say(problem);
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            run.Say($"{damage}: it does not get done with synchronising");
        }
    }

    private void Say(LedgerException problem)
    {
        run.Say($"{damage}: {problem.Message}");
        run.World.Trace(47, 0);
    }
}
