using System.Runtime.CompilerServices;
using Ledger.Commits;
using Ledger.Trees;

namespace Ledger.Pages;

/// <summary>Follows a connection's path: compares the state that was delivered last with the present one.</summary>
internal sealed class PageWatch : IPageWatch
{
    private readonly LedgerServices _services;
    private readonly PageState _page;
    private readonly PageConnection _connection;
    private readonly PageWatches _watches;
    private readonly Action<PageState> _release;
    private Commit _delivered;

    // Keep the trees of the last change: of the state before it, and of the one after it.
    private TreeHold _heldBefore = TreeHold.Stored;
    private TreeHold _held;

    // Guarded by the page's gate.
    private bool _isEnumerated;
    private bool _isInside;
    private bool _isDisposed;
    private long _seenVersion;

    /// <summary>A watch that begins at a state.</summary>
    /// <param name="services">The ledger's.</param>
    /// <param name="page">Held for this watch.</param>
    /// <param name="connection">Whose path is followed.</param>
    /// <param name="watches">Those of the connection.</param>
    /// <param name="beginning">The commit of <paramref name="initial"/>.</param>
    /// <param name="hold">Keeps that commit's tree; ends with the watch.</param>
    /// <param name="initial">The state that the first change is counted from.</param>
    /// <param name="release">Lets go of the page.</param>
    public PageWatch(
        LedgerServices services, PageState page, PageConnection connection, PageWatches watches, Commit beginning,
        TreeHold hold, IPageSnapshot initial, Action<PageState> release)
    {
        (_services, _page, _connection, _watches) = (services, page, connection, watches);
        (_delivered, _held, Initial, _release) = (beginning, hold, initial, release);
    }

    /// <inheritdoc/>
    public IPageSnapshot Initial { get; }

    /// <inheritdoc/>
    public IAsyncEnumerable<PageChange> ChangesAsync(CancellationToken cancellationToken = default)
    {
        lock (_page.Gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_isEnumerated)
            {
                throw new InvalidOperationException("The changes of a watch are enumerated by one at a time.");
            }

            _isEnumerated = true;
        }

        return RunAsync(cancellationToken);
    }

    /// <summary>
    /// Whether it has been given everything up to a version of the page's signal, or does not ask; under the gate.
    /// </summary>
    public bool HasSeen(long version) => !_isInside || _seenVersion >= version;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        lock (_page.Gate)
        {
            if (_isDisposed)
            {
                return;
            }

            _isDisposed = true;
        }

        await _services.Runtime.Enter();
        _watches.Remove(this);
        _page.Changed.Pulse();
        LetGo();
        _release(_page);
    }

    private async IAsyncEnumerable<PageChange> RunAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Enter();
        try
        {
            await _services.Runtime.Enter();
            for (var isLast = false; !isLast;)
            {
                var version = _page.Changed.Version;
                isLast = IsLast();
                var commit = await _connection.ReadWatchableAsync(cancellationToken);
                if (await NextAsync(commit, cancellationToken) is { } change)
                {
                    Leave();
                    yield return change;
                    Enter();
                    await _services.Runtime.Enter();
                }
                else if (!isLast)
                {
                    See(version);
                    await _page.Changed.WaitAsync(version, cancellationToken);
                }
            }
        }
        finally
        {
            Leave();
            lock (_page.Gate)
            {
                _isEnumerated = false;
            }
        }
    }

    /// <summary>
    /// The change from what was delivered last, which <paramref name="commit"/> then is; null when there is none.
    /// </summary>
    private async ValueTask<PageChange?> NextAsync(Commit commit, CancellationToken cancellationToken)
    {
        var before = _delivered;
        if (before.Root == commit.Root)
        {
            _delivered = commit;
            return null;
        }

        var range = KeyRange.OfPrefix(Initial.Prefix);
        var hold = await _services.Trees.OpenAsync(_page, commit, cancellationToken);
        CommitInfo? info = null;
        var isChange = false;
        try
        {
            // Of the whole page, another root is a change.
            isChange = Initial.Prefix.IsEmpty || await AnyAsync(DiffAsync(before, commit, range, cancellationToken));
            info = await _connection.DescribeAsync(commit, cancellationToken);
        }
        finally
        {
            if (info is null)
            {
                hold.Dispose();
            }
        }

        MoveTo(commit, hold, isChange);
        if (!isChange)
        {
            return null;
        }

        // The watch keeps both trees until the next change is asked for; after that they are rebuilt if need be.
        return new PageChange(
            new PageSnapshot(
                _services, info, new SnapshotTree(commit.Root, TreeHold.Stored, _page.Id), Initial.Prefix),
            token => ShowAsync(DiffAsync(before, commit, range, token), token));
    }

    private void MoveTo(Commit commit, TreeHold hold, bool isChange)
    {
        TreeHold dropped;
        lock (_page.Gate)
        {
            _delivered = commit;
            if (_isDisposed)
            {
                dropped = hold;
            }
            else if (isChange)
            {
                (dropped, _heldBefore, _held) = (_heldBefore, _held, hold);
            }
            else
            {
                (dropped, _held) = (_held, hold);
            }
        }

        dropped.Dispose();
    }

    private void LetGo()
    {
        lock (_page.Gate)
        {
            _heldBefore.Dispose();
            _held.Dispose();
        }
    }

    private async IAsyncEnumerable<TreeDifference> DiffAsync(
        Commit before, Commit after, KeyRange range, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var holdBefore = await _services.Trees.OpenAsync(_page, before, cancellationToken);
        using var holdAfter = await _services.Trees.OpenAsync(_page, after, cancellationToken);
        var differences = _services.Tree.DiffAsync(before.Root, after.Root, range, cancellationToken);
        await foreach (var difference in differences)
        {
            yield return difference;
        }
    }

    private static async ValueTask<bool> AnyAsync(IAsyncEnumerable<TreeDifference> differences)
    {
        await foreach (var _ in differences)
        {
            return true;
        }

        return false;
    }

    private async IAsyncEnumerable<EntryChange> ShowAsync(
        IAsyncEnumerable<TreeDifference> differences, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await _services.Runtime.Enter();
        await foreach (var difference in differences)
        {
            yield return await _services.Values.ToChangeAsync(difference, cancellationToken);
            await _services.Runtime.Enter();
        }
    }

    /// <summary>Whether the connection has ended, so that only what happened before is still to come.</summary>
    private bool IsLast()
    {
        lock (_page.Gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            return _watches.IsComplete;
        }
    }

    private void Enter()
    {
        lock (_page.Gate)
        {
            _isInside = true;
            _seenVersion = -1;
        }
    }

    private void See(long version)
    {
        lock (_page.Gate)
        {
            _seenVersion = version;
        }

        _watches.Progress();
    }

    private void Leave()
    {
        lock (_page.Gate)
        {
            _isInside = false;
        }

        _watches.Progress();
    }
}
