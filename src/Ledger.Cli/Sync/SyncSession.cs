using System.Diagnostics;
using Ledger.Cli.Terminal;
using Ledger.Sync;

namespace Ledger.Cli.Sync;

/// <summary>A repository that synchronises while it is open; closed cleanly when disposed.</summary>
internal sealed class SyncSession : IAsyncDisposable
{
    private readonly Repository _repository;

    private SyncSession(Repository repository, RepositorySync sync) => (_repository, Sync) = (repository, sync);

    /// <summary>What synchronises.</summary>
    public RepositorySync Sync { get; }

    /// <summary>Begins to synchronise an open repository, which then belongs to the session.</summary>
    /// <param name="repository">Disposed of with the session, or when the start fails.</param>
    /// <param name="app">An application that takes part; null for those that are there, or else <c>default</c>.</param>
    /// <param name="cancellationToken">Ends the start.</param>
    public static async Task<SyncSession> StartAsync(
        Repository repository, string? app, CancellationToken cancellationToken)
    {
        SyncSession? session = null;
        try
        {
            if (await repository.ReadSyncSecretAsync() is null)
            {
                throw new CliException(
                    ExitCodes.NotFound, "This repository has no cloud: its synchronisation was never set up.",
                    "'ledger sync init' sets it up; 'ledger sync join' makes another device of the same user.");
            }

            var there = await repository.ListLedgersAsync(cancellationToken);
            if (app is not null && there.Count > 0 && !there.Contains(app))
            {
                // A name that was mistyped is an application as well.
                await Console.Error.WriteLineAsync(
                    $"ledger: application '{app}' is new here; there {(there.Count == 1 ? "is" : "are")} " +
                    $"{string.Join(", ", there.Select(name => $"'{name}'"))}.");
            }

            if (app is not null || there.Count == 0)
            {
                await repository.GetLedgerAsync(app ?? "default", cancellationToken);
            }

            session = new SyncSession(repository, await repository.StartSyncAsync(cancellationToken));
            return session;
        }
        finally
        {
            if (session is null)
            {
                await repository.DisposeAsync();
            }
        }
    }

    /// <summary>Completes when the cloud and every application have everything; says meanwhile how far it is.</summary>
    /// <param name="timeout">How long at most; null for ever, once the cloud is there.</param>
    /// <param name="cancellationToken">Ctrl-C.</param>
    public async Task SyncNowAsync(TimeSpan? timeout, CancellationToken cancellationToken)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        if (timeout is { } limit)
        {
            over.CancelAfter(limit);
        }
        else
        {
            // Who gives no time does not want to wait for a cloud that is not there.
            await Sync.CheckCloudAsync(cancellationToken);
        }

        using var watching = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var progress = new Progress("entries");
        var watches = Sync.Ledgers.Select(app => ReportAsync(app, progress, watching.Token)).ToArray();
        try
        {
            await Sync.SyncNowAsync(over.Token);
        }
        catch (OperationCanceledException)
            when (over.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new CliException(
                ExitCodes.Unavailable,
                $"After {timeout} the cloud and this device did not have everything yet.",
                "Nothing is lost: 'ledger sync now' goes on with it when the cloud is there.");
        }
        finally
        {
            await watching.CancelAsync();
            await Task.WhenAll(watches);
        }
    }

    /// <summary>How an application stands once nothing moves, or something is wrong, or after a few seconds.</summary>
    public async Task<SyncStatus> SettleAsync(string app, CancellationToken cancellationToken)
    {
        var elapsed = Stopwatch.StartNew();
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        over.CancelAfter(TimeSpan.FromSeconds(5));
        try
        {
            await foreach (var status in Sync.WatchStatusAsync(app, over.Token))
            {
                if (status.Phase is SyncPhase.Idle or SyncPhase.Blocked || status.Error is not null)
                {
                    return status;
                }
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // It takes longer: then that is the status.
        }

        return await Sync.GetStatusAsync(app, cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Sync.DisposeAsync();
        await _repository.DisposeAsync();
    }

    private async Task ReportAsync(string app, Progress progress, CancellationToken cancellationToken)
    {
        string? said = null;
        try
        {
            await foreach (var status in Sync.WatchStatusAsync(app, cancellationToken))
            {
                progress.Report(status.EntriesReceived + status.EntriesSent, null);
                if (status.Error is { } error && error != said)
                {
                    // It tries again by itself: the user should know what it waits for.
                    await Console.Error.WriteLineAsync($"ledger: {app}: {error}");
                    said = error;
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Everything is there, or nobody waits any more.
        }
    }
}
