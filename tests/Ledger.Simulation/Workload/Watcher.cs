using Ledger.Pages;
using Ledger.Simulation.Model;
using Ledger.Simulation.Worlds;

namespace Ledger.Simulation.Workload;

/// <summary>Watches a page, and puts the changes together to the state that must come out.</summary>
internal sealed class Watcher(Session session, PageModel page)
{
    public async Task RunAsync()
    {
        var where = $"device {session.Device.Number}, a watch of page {page.Number}";
        var end = new CancellationTokenSource(); // Without a timer there is nothing to dispose of.
        await using var connection = await session.Ledger.GetPageAsync(page.Id);
        await using var watch = await connection.WatchAsync();
        var state = await Checks.ScanAsync(page, watch.Initial, where);
        _ = session.RunWorkerAsync(() => StopAsync(end));
        try
        {
            await foreach (var change in watch.ChangesAsync(end.Token))
            {
                await using var snapshot = change.Snapshot;
                await foreach (var entry in change.GetEntriesAsync())
                {
                    Apply(state, entry, where);
                }

                if (session.Random.Next(4) == 0)
                {
                    var seen = await Checks.ScanAsync(page, snapshot, where);
                    if (!Checks.AreEqual(seen, state))
                    {
                        throw new ViolationException(
                            "R21", $"{where}: the changes up to {change.Commit.Id} do not make its state.");
                    }
                }
            }
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            session.Run.World.Trace(41, (ulong)state.Count);
        }
    }

    private void Apply(SortedDictionary<int, long> state, EntryChange entry, string where)
    {
        var key = page.KeyOf(entry.Key);
        var before = entry.Before is { Value: { } old } ? Write.IdOf(old.Span) : 0;

        // What was there before is perhaps an older value of another device, which nobody has fetched.
        var known = state.GetValueOrDefault(key);
        if (entry.Before is not { Value: null } && known != Checks.Unknown && before != known)
        {
            throw new ViolationException(
                "R21", $"{where}: key {key} changes from write {before}, but was at {known}.");
        }

        if (entry.After is { Value: { } value })
        {
            state[key] = page.Identify(key, value.Span, where).Id;
        }
        else if (entry.After is { } after)
        {
            Checks.CheckLazy(page, after, where);
            state[key] = Checks.Unknown;
        }
        else
        {
            state.Remove(key);
        }
    }

    private async Task StopAsync(CancellationTokenSource end)
    {
        while (!session.IsEnding && session.Run.Done < session.Run.Options.Operations)
        {
            await session.Runtime.Delay(TimeSpan.FromMilliseconds(50), CancellationToken.None);
        }

        end.Cancel();
    }
}
