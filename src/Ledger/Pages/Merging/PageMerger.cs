using Ledger.Commits;
using Ledger.Objects;
using Ledger.Runtime;

namespace Ledger.Pages.Merging;

/// <summary>Merges the heads of an open page, two oldest first, until one is left.</summary>
/// <remarks>
/// Runs while there is something to merge and somebody uses the page; nothing of the page waits for a resolver. A merge
/// that fails is tried again after <see cref="DelayMin"/>, doubled up to <see cref="DelayMax"/>, jittered.
/// </remarks>
/// <param name="services">The ledger's.</param>
/// <param name="page">The page.</param>
internal sealed class PageMerger(LedgerServices services, PageState page)
{
    /// <summary>How long after the first failure a merge is tried again, at most.</summary>
    public static readonly TimeSpan DelayMin = TimeSpan.FromMilliseconds(10);

    /// <summary>How long after a failure a merge is tried again, at most.</summary>
    public static readonly TimeSpan DelayMax = TimeSpan.FromHours(1);

    private readonly CommitMerger _merger = new(services, page.Id);
    private readonly MergeInstaller _installer = new(services, page);
    private readonly AsyncLock _attempts = new();
    private readonly AsyncSignal _progress = new();

    // Guarded by the page's gate.
    private Task? _running;
    private TaskCompletionSource? _interrupt;
    private bool _isStopped;
    private bool _hasFailed;
    private long _made;

    /// <summary>Merges made since the page was opened.</summary>
    public long Made
    {
        get
        {
            lock (page.Gate)
            {
                return _made;
            }
        }
    }

    /// <summary>True while the merge that is needed next has failed and waits to be tried again.</summary>
    public bool HasFailed
    {
        get
        {
            lock (page.Gate)
            {
                return _hasFailed;
            }
        }
    }

    /// <summary>There may be something to merge: a branch was made, or the page was opened.</summary>
    public void Touch()
    {
        lock (page.Gate)
        {
            if (_running is null && !_isStopped && NeedsMerge())
            {
                services.Hold(page);
                _running = RunAsync();
            }
        }
    }

    /// <summary>The policy has changed: what is running is given up, and begun again under the new one.</summary>
    public void Restart()
    {
        lock (page.Gate)
        {
            _interrupt?.TrySetResult();
        }

        Touch();
        _progress.Pulse();
    }

    /// <summary>Nobody else uses the page: what is running is given up.</summary>
    public void Leave()
    {
        lock (page.Gate)
        {
            // Somebody may have opened it meanwhile: who goes on is decided when the merge has ended.
            _interrupt?.TrySetResult();
        }
    }

    /// <summary>Ends what is running, for good.</summary>
    public async Task StopAsync()
    {
        Task? running;
        lock (page.Gate)
        {
            _isStopped = true;
            _interrupt?.TrySetResult();
            running = _running;
        }

        if (running is not null)
        {
            await running;
        }
    }

    /// <summary>Completes when nothing is being merged, or waits to be.</summary>
    /// <returns>Whether anything was merged meanwhile.</returns>
    public async Task<bool> WaitAsync(CancellationToken cancellationToken)
    {
        var before = Made;
        while (true)
        {
            var version = _progress.Version;
            lock (page.Gate)
            {
                page.ThrowIfUnusable();
                if (_running is null && !NeedsMerge())
                {
                    return _made != before;
                }

                Touch();
            }

            await _progress.WaitAsync(version, cancellationToken);
        }
    }

    /// <summary>Merges all heads because the application asks for it; durable as the repository says.</summary>
    /// <param name="resolver">Called for every two heads; null takes the newest writer of each key.</param>
    /// <param name="message">Kept with the commits, or null.</param>
    /// <param name="cancellationToken">Leaves the heads that are not merged yet.</param>
    /// <returns>The one head that is left.</returns>
    public async Task<Commit> MergeAllAsync(
        IConflictResolver? resolver, string? message, CancellationToken cancellationToken)
    {
        var settings = resolver is null
            ? MergeSettings.Default
            : MergeSettings.Create(MergePolicy.Custom, resolver, Timeout.InfiniteTimeSpan);
        lock (page.Gate)
        {
            _interrupt?.TrySetResult();
        }

        using var attempt = await _attempts.AcquireAsync(cancellationToken);
        while (true)
        {
            var heads = await ReadHeadsAsync(FoldAsync, cancellationToken);
            if (heads.Count == 1)
            {
                return heads[0];
            }

            var call = new ResolverCall(services.Runtime, services.Logger, settings, interrupted: null);
            await MergeAsync(settings, call, isAuthored: true, message, cancellationToken);
        }
    }

    private bool NeedsMerge() =>
        page.Branches.Count > 1 && page.IsUsable && !services.IsReadOnly &&
        services.Policies.For(page.Id).Policy != MergePolicy.None;

    private async Task RunAsync()
    {
        // Whoever made the branch goes on at once.
        await new YieldAwaitable(services.Runtime.Scheduler);
        for (var failures = 0; TryBegin(out var interrupt);)
        {
            failures = await TryMergeAsync(interrupt.Task, failures) ? 0 : failures + 1;
        }

        _progress.Pulse();
        services.Release(page);
    }

    private void Note(bool hasFailed)
    {
        lock (page.Gate)
        {
            if (_hasFailed == hasFailed)
            {
                return;
            }

            _hasFailed = hasFailed;
        }

        services.Moved.Add(page.Id);
    }

    private bool TryBegin(out TaskCompletionSource interrupt)
    {
        interrupt = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (page.Gate)
        {
            var goesOn = !_isStopped && NeedsMerge() && !services.IsAlone(page);
            _interrupt = goesOn ? interrupt : null;
            _running = goesOn ? _running : null;
            return goesOn;
        }
    }

    /// <summary>Makes one merge, or waits after a failure.</summary>
    private async Task<bool> TryMergeAsync(Task interrupted, int failures)
    {
        try
        {
            using var attempt = await _attempts.AcquireAsync(CancellationToken.None);
            var settings = services.Policies.For(page.Id);
            var call = new ResolverCall(services.Runtime, services.Logger, settings, interrupted);
            await MergeAsync(settings, call, isAuthored: false, message: null, CancellationToken.None);
            Note(hasFailed: false);
            return true;
        }
        catch (Exception exception) when (exception is PageDeletedException or ObjectDisposedException)
        {
            return true;
        }
        catch (OperationCanceledException) when (interrupted.IsCompleted)
        {
            return true;
        }
        catch (InvariantException fault)
        {
            page.Stop(fault);
            return true;
        }
        catch (Exception exception) when (exception is not InvariantException)
        {
            // A supervisor: whatever it is, the heads are as they were, and the page can be used.
            var delay = DelayAfter(failures);
            LogMessages.MergeFailed(services.Logger, page.Id, delay, exception);
            Note(hasFailed: true);
            await PauseAsync(delay, interrupted);
            return false;
        }
    }

    private TimeSpan DelayAfter(int failures)
    {
        var bound = Math.Min(
            DelayMin.TotalMilliseconds * Math.Pow(2, Math.Min(failures, 30)), DelayMax.TotalMilliseconds);
        var part = 0.5 + (0.5 * services.Runtime.NextUInt64() / ulong.MaxValue);
        return TimeSpan.FromMilliseconds(bound * part);
    }

    private async Task PauseAsync(TimeSpan delay, Task interrupted)
    {
        using var stop = new CancellationTokenSource();
        var pause = services.Runtime.Delay(delay, stop.Token);
        var end = ResolverCall.EndOfAsync(pause);
        await Task.WhenAny(end, ResolverCall.EndOfAsync(interrupted));
        stop.Cancel();
        await end;
    }

    /// <summary>Merges the two oldest heads, if there are two.</summary>
    private async Task MergeAsync(
        MergeSettings settings, ResolverCall call, bool isAuthored, string? message,
        CancellationToken cancellationToken)
    {
        await using var lease = services.Store.BeginWrite();
        if (settings.Resolver is null)
        {
            // Nothing foreign is waited for: nobody moves the heads meanwhile.
            await page.Commits.InTurnAsync(
                async () =>
                {
                    if (await MakeAsync(
                        page.Commits.FoldInTurnAsync, settings, call, lease, isAuthored, message, cancellationToken) is
                        { } made)
                    {
                        using (made.Tree)
                        {
                            await InstallAsync(made, lease, isAuthored);
                        }
                    }
                },
                cancellationToken);
            return;
        }

        var resolved = await MakeAsync(
            FoldAsync, settings, call, lease, isAuthored, message, cancellationToken);
        if (resolved is not null)
        {
            using (resolved.Tree)
            {
                await page.Commits.InTurnAsync(() => InstallAsync(resolved, lease, isAuthored), cancellationToken);
            }
        }
    }

    private async Task<MadeMerge?> MakeAsync(
        Func<Branch, CancellationToken, Task<Commit>> foldAsync, MergeSettings settings, ResolverCall call,
        IObjectWriter lease, bool isAuthored, string? message, CancellationToken cancellationToken)
    {
        var heads = await ReadHeadsAsync(foldAsync, cancellationToken);
        if (heads.Count < 2)
        {
            return null;
        }

        var pair = await MergePair.CompareAsync(services.Graph, heads[0], heads[1], cancellationToken);
        if (pair.Comparison.RightOnly.Count == 0)
        {
            await _installer.AbsorbAsync(pair.Right, pair.Left);
            return null;
        }

        if (pair.Comparison.LeftOnly.Count == 0)
        {
            // An automatic merge has the time of its newer parent, whose id may be the greater one.
            await _installer.AbsorbAsync(pair.Left, pair.Right);
            return null;
        }

        var tree = await _merger.MergeAsync(
            pair, settings, context => call.RunAsync(context, cancellationToken), lease, cancellationToken);
        Commit? commit = null;
        try
        {
            var author = isAuthored
                ? new Authorship(services.Device, page.Incarnation, page.WallClockMs(), message)
                : null;
            HybridTimestamp? timestamp = isAuthored
                ? page.Clock.Issue(pair.Left.Timestamp, pair.Right.Timestamp)
                : null;
            commit = await _merger.BuildAsync(tree, timestamp, author, cancellationToken);
            return new MadeMerge(commit, tree, settings);
        }
        finally
        {
            if (commit is null)
            {
                tree.Dispose();
            }
        }
    }

    private Task<Commit> FoldAsync(Branch branch, CancellationToken cancellationToken) =>
        page.Commits.FoldAsync(branch, cancellationToken).AsTask();

    private async Task InstallAsync(MadeMerge made, IObjectWriter lease, bool isAuthored)
    {
        // An automatic merge is made again when it is lost: what it merges is durable.
        await _installer.InstallAsync(made, lease, isAuthored ? services.Durability : Durability.Buffered);
        lock (page.Gate)
        {
            _made++;
        }
    }

    /// <summary>The heads with everything acknowledged so far, oldest first by (timestamp, id).</summary>
    private async Task<List<Commit>> ReadHeadsAsync(
        Func<Branch, CancellationToken, Task<Commit>> foldAsync, CancellationToken cancellationToken)
    {
        Branch[] branches;
        lock (page.Gate)
        {
            page.ThrowIfUnusable();
            branches = [.. page.Branches];
        }

        var heads = new List<Commit>();
        foreach (var branch in branches)
        {
            heads.Add(await foldAsync(branch, cancellationToken));
        }

        return [.. heads.OrderBy(head => head.Timestamp).ThenBy(head => head.Id)];
    }
}
