using System.IO.Pipelines;
using System.Runtime.ExceptionServices;
using Ledger.Commits;
using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Trees;

namespace Ledger.Pages;

/// <summary>
/// A connection: stands on one branch of a page, and is pinned to a commit while its transaction is open.
/// </summary>
/// <remarks>
/// Each method does what decides its place in the order of calls before it first awaits, so that calls which are not
/// awaited take effect in the order in which they were made.
/// </remarks>
internal sealed partial class PageConnection : IPage
{
    private readonly LedgerServices _services;
    private readonly PageState _page;
    private readonly PageHistory _history;
    private readonly PageWatches _watches;
    private readonly Action<PageState> _hold;
    private readonly Action<PageState> _release;
    private Branch _standsOn;
    private long _lastTicket;

    // What holds the right to the one transaction: a token while it is being opened, then the transaction.
    private object? _transaction;
    private Commit? _pinned;
    private bool _isDisposed;

    /// <summary>A connection on a page's newest head.</summary>
    /// <param name="services">The ledger's.</param>
    /// <param name="page">Loaded, and held for this connection.</param>
    /// <param name="hold">Holds the page for a watch.</param>
    /// <param name="release">Lets go of the page.</param>
    public PageConnection(
        LedgerServices services, PageState page, Action<PageState> hold, Action<PageState> release)
    {
        (_services, _page, _hold, _release) = (services, page, hold, release);
        _history = new PageHistory(services, page.Id);
        _watches = new PageWatches(page);
        lock (page.Gate)
        {
            _standsOn = page.NewestBranch();
        }
    }

    /// <inheritdoc/>
    public PageId Id => _page.Id;

    // Merges move the connection along; under the page's gate.
    private Branch Branch => _standsOn = _standsOn.Living;

    /// <inheritdoc/>
    public Task PutAsync(
        ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value, EntryPriority priority = EntryPriority.Eager,
        Durability? durability = null, CancellationToken cancellationToken = default)
    {
        KeyComparer.Check(key);
        PageValues.CheckDirect(value);
        return WriteAsync(
            new JournalWrite(durability ?? _services.Durability, cancellationToken)
            {
                Key = key.ToArray(),
                Bytes = value.ToArray(),
                Priority = priority,
            });
    }

    /// <inheritdoc/>
    public async Task PutReferenceAsync(
        ReadOnlyMemory<byte> key, Reference reference, EntryPriority priority = EntryPriority.Eager,
        Durability? durability = null, CancellationToken cancellationToken = default)
    {
        KeyComparer.Check(key);
        var value = _services.References.Take(reference);
        var isPut = false;
        try
        {
            await WriteAsync(
                new JournalWrite(durability ?? _services.Durability, cancellationToken)
                {
                    Key = key.ToArray(),
                    Value = value.ToEntryValue(priority),
                });
            isPut = true;
        }
        finally
        {
            if (!isPut)
            {
                _services.References.PutBack(reference, value);
            }
        }

        await value.DisposeAsync();
    }

    /// <inheritdoc/>
    public Task DeleteAsync(
        ReadOnlyMemory<byte> key, Durability? durability = null, CancellationToken cancellationToken = default)
    {
        KeyComparer.Check(key);
        return WriteAsync(
            new JournalWrite(durability ?? _services.Durability, cancellationToken) { Key = key.ToArray() });
    }

    /// <inheritdoc/>
    public Task ClearAsync(Durability? durability = null, CancellationToken cancellationToken = default) =>
        WriteAsync(new JournalWrite(durability ?? _services.Durability, cancellationToken));

    /// <inheritdoc/>
    public Task<Reference> CreateReferenceAsync(
        Stream content, long? sizeBytes = null, CancellationToken cancellationToken = default) =>
        CreateReferenceAsync(
            lease => _services.Values.WriteAsync(lease, content, sizeBytes, cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public Task<Reference> CreateReferenceAsync(
        PipeReader content, long? sizeBytes = null, CancellationToken cancellationToken = default) =>
        CreateReferenceAsync(
            lease => _services.Values.WriteAsync(lease, content, sizeBytes, cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public Task<Reference> CreateReferenceAsync(
        ReadOnlyMemory<byte> content, long? sizeBytes = null, CancellationToken cancellationToken = default) =>
        CreateReferenceAsync(new MemoryStream(content.ToArray(), writable: false), sizeBytes, cancellationToken);

    /// <inheritdoc/>
    public bool ReleaseReference(Reference reference)
    {
        ThrowIfUnusable();
        return _services.References.Release(reference);
    }

    /// <inheritdoc/>
    public ValueTask<ReadOnlyMemory<byte>?> GetAsync(
        ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default)
    {
        KeyComparer.Check(key);
        long ticket;
        lock (_page.Gate)
        {
            ThrowIfUnusable();
            ticket = _lastTicket;
        }

        // What is in memory is given at once: no task, no copy of the key, no change of thread.
        if (_page.Writes.HasEnded(ticket) && TryGet(key, out var value, out _))
        {
            if (value is not { } found)
            {
                return default;
            }

            if (found.IsInline)
            {
                return new ValueTask<ReadOnlyMemory<byte>?>(found.Inline);
            }
        }

        return ReadAsync(key.ToArray(), ticket, cancellationToken);
    }

    /// <summary>The value of a key, if the journal decides it or the nodes on the way to it are in memory.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">The value; null when the key is absent.</param>
    /// <param name="commit">The commit whose tree decides when this returns false.</param>
    private bool TryGet(ReadOnlyMemory<byte> key, out EntryValue? value, out Commit commit)
    {
        lock (_page.Gate)
        {
            ThrowIfUnusable();
            commit = _pinned ?? Branch.Head;
            value = null;
            if (_pinned is null && Branch.TryGet(key, out value))
            {
                return true;
            }
        }

        return _services.Tree.TryGet(commit.Root, key.Span, out value);
    }

    private async ValueTask<ReadOnlyMemory<byte>?> ReadAsync(
        ReadOnlyMemory<byte> key, long ticket, CancellationToken cancellationToken)
    {
        await _services.Runtime.Enter();
        await _page.Writes.WaitAsync(ticket, cancellationToken);
        if (!TryGet(key, out var value, out var commit))
        {
            using var hold = await _services.Trees.OpenAsync(_page, commit, cancellationToken);
            value = await _services.Tree.GetAsync(commit.Root, key, cancellationToken);
        }

        if (value is { } found)
        {
            return await _services.Values.ReadAsync(found, cancellationToken);
        }

        // Not in one conditional expression: there a null would become an empty memory.
        return null;
    }

    /// <inheritdoc/>
    public Task<IPageSnapshot> GetSnapshotAsync(
        ReadOnlyMemory<byte> prefix = default, CancellationToken cancellationToken = default)
    {
        ReadOnlyMemory<byte> ownPrefix = prefix.ToArray();

        // Of an idle page everything is in memory: no change of thread, and nothing to read.
        return !cancellationToken.IsCancellationRequested && TryShowHead(ownPrefix) is { } snapshot
            ? Task.FromResult<IPageSnapshot>(snapshot)
            : ReadAndShowAsync(ownPrefix, cancellationToken);
    }

    private async Task<IPageSnapshot> ReadAndShowAsync(
        ReadOnlyMemory<byte> ownPrefix, CancellationToken cancellationToken)
    {
        var head = await ReadHeadAsync(cancellationToken);
        return await ShowAsync(head, ownPrefix, cancellationToken);
    }

    /// <summary>A snapshot, if all that it takes is in memory and nothing has to be written first.</summary>
    private PageSnapshot? TryShowHead(ReadOnlyMemory<byte> ownPrefix)
    {
        Commit commit;
        lock (_page.Gate)
        {
            if (_isDisposed || !_page.IsUsable || !_page.Writes.HasEnded(_lastTicket) ||
                (_pinned is null && !Branch.IsClean))
            {
                return null;
            }

            commit = _pinned ?? Branch.Head;
        }

        return _page.Described is { } info && info.Id == commit.Id && _services.Trees.TryOpen(commit) is { } hold
            ? new PageSnapshot(_services, info, new SnapshotTree(commit.Root, hold, Id), ownPrefix)
            : null;
    }

    /// <inheritdoc/>
    public async Task<ITransaction> BeginTransactionAsync(CancellationToken cancellationToken = default)
    {
        _services.ThrowIfReadOnly();
        var opening = new object();
        long ticket;
        lock (_page.Gate)
        {
            ThrowIfUnusable();
            _transaction = _transaction is null ? opening : throw new TransactionOpenException(Id);
            ticket = _lastTicket;
        }

        object? opened = null;
        TreeHold? hold = null;
        try
        {
            await _services.Runtime.Enter();
            await _page.Writes.WaitAsync(ticket, cancellationToken);
            await _watches.DrainAsync(cancellationToken);
            var pinned = await PinAsync(cancellationToken);
            hold = await _services.Trees.OpenAsync(_page, pinned, cancellationToken);
            var info = await DescribeAsync(pinned, cancellationToken);
            lock (_page.Gate)
            {
                ThrowIfUnusable();
                var transaction = new Transaction(_services, _page, this, Branch, pinned, hold, info);
                _transaction = opened = transaction;
                return transaction;
            }
        }
        finally
        {
            if (opened is null)
            {
                hold?.Dispose();
                EndTransaction(opening, _standsOn);
            }
        }
    }

    /// <inheritdoc/>
    public async Task<IPageWatch> WatchAsync(
        ReadOnlyMemory<byte> prefix = default, CancellationToken cancellationToken = default)
    {
        ReadOnlyMemory<byte> ownPrefix = prefix.ToArray();
        var head = await ReadHeadAsync(cancellationToken);
        var initial = await ShowAsync(head, ownPrefix, cancellationToken);
        TreeHold? hold = null;
        PageWatch? watch = null;
        try
        {
            hold = await _services.Trees.OpenAsync(_page, head, cancellationToken);
            lock (_page.Gate)
            {
                ThrowIfUnusable();
                watch = new PageWatch(_services, _page, this, _watches, head, hold, initial, _release);
                _hold(_page);
                _watches.Add(watch);
                return watch;
            }
        }
        finally
        {
            if (watch is null)
            {
                hold?.Dispose();
                await initial.DisposeAsync();
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        object? transaction;
        long ticket;
        lock (_page.Gate)
        {
            if (_isDisposed)
            {
                return;
            }

            _isDisposed = true;
            (transaction, ticket) = (_transaction, _lastTicket);
        }

        await _services.Runtime.Enter();
        await _page.Writes.WaitAsync(ticket, CancellationToken.None);
        if (transaction is Transaction open)
        {
            await open.DisposeAsync();
        }

        _watches.Complete();
        _release(_page);
    }

    /// <summary>Ends the one transaction: the connection goes to a branch's present head, and moves again.</summary>
    /// <param name="transaction">What was given the right to it; nothing happens when that is over already.</param>
    /// <param name="branch">Where the connection stands from now on.</param>
    internal void EndTransaction(object transaction, Branch branch)
    {
        lock (_page.Gate)
        {
            if (!ReferenceEquals(_transaction, transaction))
            {
                return;
            }

            _transaction = null;
            _pinned = null;
            _standsOn = branch;
        }

        _page.Changed.Pulse();
    }

    /// <summary>
    /// The commit that watches may show up to: the pinned one, or one with everything acknowledged so far.
    /// </summary>
    internal async ValueTask<Commit> ReadWatchableAsync(CancellationToken cancellationToken)
    {
        Branch branch;
        lock (_page.Gate)
        {
            _page.ThrowIfUnusable();
            if (_pinned is { } pinned)
            {
                return pinned;
            }

            branch = Branch;
        }

        var head = await _page.Commits.FoldAsync(branch, cancellationToken);
        lock (_page.Gate)
        {
            // A transaction that began meanwhile holds the watches where it is.
            return _pinned ?? head;
        }
    }

    /// <summary>Folds and stops where the branch is then, so that no watch has seen more.</summary>
    private async ValueTask<Commit> PinAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var head = await _page.Commits.FoldAsync(_standsOn, cancellationToken);
            lock (_page.Gate)
            {
                if (Branch.Head.Id == head.Id)
                {
                    return _pinned = head;
                }
            }
        }
    }

    private async Task WriteAsync(JournalWrite write)
    {
        _services.ThrowIfReadOnly();
        lock (_page.Gate)
        {
            ThrowIfUnusable();
            if (_transaction is not null)
            {
                throw new TransactionOpenException(Id);
            }

            write.Branch = Branch;
            if (write.Branch.Active.SizeBytes >= FoldLoop.HeldBackSizeBytes)
            {
                _page.FoldRefusal?.Throw();
            }

            _page.Writes.Enqueue(write);
            _lastTicket = write.Ticket;
        }

        await _page.Writes.CompleteAsync(write);
        await HoldBackAsync(write.Branch);
    }

    /// <summary>
    /// Makes writers wait for a fold when folds do not keep up with them, so that memory stays bounded.
    /// </summary>
    private async ValueTask HoldBackAsync(Branch branch)
    {
        lock (_page.Gate)
        {
            if (branch.Active.SizeBytes < FoldLoop.HeldBackSizeBytes)
            {
                return;
            }
        }

        try
        {
            await _page.Commits.FoldAsync(branch, CancellationToken.None);
        }
        catch (Exception refusal) when (refusal is LedgerException or ObjectDisposedException)
        {
            // The write itself is acknowledged; whoever needs the fold is told why it cannot be made, and in the end
            // whoever writes.
            lock (_page.Gate)
            {
                _page.FoldRefusal = ExceptionDispatchInfo.Capture(refusal);
            }
        }
    }

    private async Task<Reference> CreateReferenceAsync(
        Func<IObjectWriter, ValueTask<WrittenValue>> writeAsync, CancellationToken cancellationToken)
    {
        ThrowIfUnusable();
        _services.ThrowIfReadOnly();
        await _services.Runtime.Enter();
        var lease = _services.Store.BeginWrite();
        var isKept = false;
        try
        {
            var value = await writeAsync(lease);
            await lease.WriteAheadAsync(cancellationToken);
            var reference = _services.References.Add(new ReferencedValue(value, lease));
            isKept = true;
            return reference;
        }
        finally
        {
            if (!isKept)
            {
                await lease.DisposeAsync();
            }
        }
    }

    /// <summary>The pinned commit, or one that includes all earlier writes of this connection.</summary>
    internal async ValueTask<Commit> ReadHeadAsync(CancellationToken cancellationToken)
    {
        var ticket = TakeTicket();
        await _services.Runtime.Enter();
        await _page.Writes.WaitAsync(ticket, cancellationToken);
        Branch branch;
        lock (_page.Gate)
        {
            ThrowIfUnusable();
            if (_pinned is { } pinned)
            {
                return pinned;
            }

            branch = Branch;
        }

        return await _page.Commits.FoldAsync(branch, cancellationToken);
    }

    private async ValueTask<IPageSnapshot> ShowAsync(
        Commit commit, ReadOnlyMemory<byte> prefix, CancellationToken cancellationToken)
    {
        var info = await DescribeAsync(commit, cancellationToken);
        var hold = await _services.Trees.OpenAsync(_page, commit, cancellationToken);
        return new PageSnapshot(_services, info, new SnapshotTree(commit.Root, hold, Id), prefix);
    }

    private long TakeTicket()
    {
        lock (_page.Gate)
        {
            ThrowIfUnusable();
            return _lastTicket;
        }
    }

    /// <summary>Refuses to go on after disposal, deletion of the page, or a fault.</summary>
    internal void ThrowIfUnusable()
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _isDisposed), this);
        _page.ThrowIfUnusable();
    }
}
