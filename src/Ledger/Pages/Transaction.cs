using Ledger.Commits;
using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Trees;

namespace Ledger.Pages;

/// <summary>
/// An explicit journal: changes that nobody else sees until they become one commit on the pinned state.
/// </summary>
internal sealed class Transaction : ITransaction
{
    private readonly LedgerServices _services;
    private readonly PageState _page;
    private readonly PageConnection _connection;
    private readonly Branch _branch;
    private readonly Commit _base;
    private readonly TreeHold _hold;
    private readonly SharedLease _lease;
    private readonly TransactionChanges _changes;
    private readonly Dictionary<Reference, ReferencedValue> _references = [];
    private readonly AsyncLock _turns = new();
    private bool _isEnded;

    /// <summary>A transaction on a commit; its connection is pinned already.</summary>
    /// <param name="services">The ledger's.</param>
    /// <param name="page">The page.</param>
    /// <param name="connection">Whose transaction it is.</param>
    /// <param name="branch">Where the connection stands.</param>
    /// <param name="pinned">The commit.</param>
    /// <param name="hold">Keeps its tree; ends with the transaction.</param>
    /// <param name="info">The commit as callers see it.</param>
    public Transaction(
        LedgerServices services, PageState page, PageConnection connection, Branch branch, Commit pinned,
        TreeHold hold, CommitInfo info)
    {
        (_services, _page, _connection, _branch) = (services, page, connection, branch);
        (_base, _hold) = (pinned, hold);
        Base = info;
        _lease = new SharedLease(services.Store.BeginWrite());
        _changes = new TransactionChanges(services, _lease.Writer, TransactionChanges.SizeBytesMax);
    }

    /// <inheritdoc/>
    public CommitInfo Base { get; }

    /// <summary>The commit that the transaction is pinned to.</summary>
    internal Commit Pinned => _base;

    /// <inheritdoc/>
    public async Task PutAsync(
        ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value, EntryPriority priority = EntryPriority.Eager,
        CancellationToken cancellationToken = default)
    {
        KeyComparer.Check(key);
        PageValues.CheckDirect(value);
        var (ownKey, ownValue) = (key.ToArray(), value.ToArray());
        using var turn = await TakeTurnAsync(cancellationToken);
        var written = await _services.Values.WriteAsync(_lease.Writer, ownValue, priority, cancellationToken);
        await _changes.SetAsync(ownKey, written, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task PutReferenceAsync(
        ReadOnlyMemory<byte> key, Reference reference, EntryPriority priority = EntryPriority.Eager,
        CancellationToken cancellationToken = default)
    {
        KeyComparer.Check(key);
        var ownKey = key.ToArray();
        using var turn = await TakeTurnAsync(cancellationToken);
        if (!_references.TryGetValue(reference, out var value))
        {
            value = _services.References.Find(reference);
            _references.Add(reference, value);
        }

        await _changes.SetAsync(ownKey, value.ToEntryValue(priority), cancellationToken);
    }

    /// <inheritdoc/>
    public async Task DeleteAsync(ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default)
    {
        KeyComparer.Check(key);
        var ownKey = key.ToArray();
        using var turn = await TakeTurnAsync(cancellationToken);
        await _changes.SetAsync(ownKey, null, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task ClearAsync(CancellationToken cancellationToken = default)
    {
        using var turn = await TakeTurnAsync(cancellationToken);
        _changes.Clear();
    }

    /// <inheritdoc/>
    public async ValueTask<ReadOnlyMemory<byte>?> GetAsync(
        ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default)
    {
        KeyComparer.Check(key);
        var ownKey = key.ToArray();
        using var turn = await TakeTurnAsync(cancellationToken);
        var (isDecided, value) = await _changes.FindAsync(ownKey, cancellationToken);
        value = isDecided ? value : await _services.Tree.GetAsync(_base.Root, ownKey, cancellationToken);
        if (value is not { } found)
        {
            return null;
        }

        if (!found.IsInline)
        {
            // Values are read from the store alone.
            await _lease.Writer.WriteAheadAsync(cancellationToken);
        }

        return await _services.Values.ReadAsync(found, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<IPageSnapshot> GetSnapshotAsync(
        ReadOnlyMemory<byte> prefix = default, CancellationToken cancellationToken = default)
    {
        var ownPrefix = prefix.ToArray();
        using var turn = await TakeTurnAsync(cancellationToken);
        using var batch = _services.Tree.WriteBack.BeginBatch();
        var root = await _changes.ApplyAsync(_base.Root, batch, cancellationToken);

        // The snapshot reads values from the store alone, so that it can be used while the transaction writes on.
        await _lease.Writer.WriteAheadAsync(cancellationToken);
        var hold = await _services.Tree.TryHoldAsync(root, cancellationToken);
        Invariant.Check(hold is not null);
        return new PageSnapshot(_services, Base, new SnapshotTree(root, hold, Page: null), ownPrefix, _lease.Hold());
    }

    /// <inheritdoc/>
    public async Task<CommitId> CommitAsync(
        bool failIfMoved = false, Durability? durability = null, string? message = null,
        CancellationToken cancellationToken = default)
    {
        message = CheckMessage(message);
        using var turn = await TakeTurnAsync(cancellationToken);
        using var batch = _services.Tree.WriteBack.BeginBatch();
        var made = new ChangeListWriter(_lease.Writer);
        var root = await _changes.ApplyAsync(
            _base.Root, batch, cancellationToken, _changes.IsCleared ? null : made.AddAsync);
        if (root == _base.Root)
        {
            await ConsumeReferencesAsync();
            await EndAsync();
            return _base.Id;
        }

        var changes = _changes.IsCleared
            ? await _page.Commits.WriteChangesAsync(_base.Root, root, _lease.Writer, cancellationToken)
            : await made.FinishAsync(cancellationToken);
        var pending = new PendingCommit(
            _branch, _base, root, changes, _lease.Writer, message, failIfMoved, durability ?? _services.Durability,
            branch => _connection.EndTransaction(this, branch));
        var commit = await CommitAsync(pending, cancellationToken);
        await ConsumeReferencesAsync();
        await EndAsync();
        return commit.Id;
    }

    /// <inheritdoc/>
    public async Task RollbackAsync(CancellationToken cancellationToken = default)
    {
        using var turn = await TakeTurnAsync(cancellationToken);
        await EndAsync();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        var waiting = _turns.AcquireAsync(CancellationToken.None);
        await _services.Runtime.Enter();
        using var turn = await waiting;
        if (!_isEnded)
        {
            await EndAsync();
        }
    }

    /// <summary>Makes the keys of a range equal to those of another commit.</summary>
    internal async Task RestoreAsync(Commit wanted, KeyRange range, CancellationToken cancellationToken)
    {
        using var turn = await TakeTurnAsync(cancellationToken);
        using var hold = await _services.Trees.OpenAsync(_page.Id, wanted, cancellationToken);
        var differences = _services.Tree.DiffAsync(_base.Root, wanted.Root, range, cancellationToken);
        await foreach (var (key, _, value) in differences)
        {
            await _changes.SetAsync(key, value, cancellationToken);
        }
    }

    private async Task<Commit> CommitAsync(PendingCommit pending, CancellationToken cancellationToken)
    {
        try
        {
            return await _page.Commits.CommitAsync(pending, cancellationToken);
        }
        catch (LedgerException exception) when (exception is StoreUnavailableException or OutcomeUnknownException)
        {
            // The lease was handed over and cannot be committed again.
            await EndAsync();
            throw;
        }
    }

    /// <summary>Waits for the calls before; the place in the line is taken before the caller first awaits.</summary>
    private async ValueTask<AsyncLock.Releaser> TakeTurnAsync(CancellationToken cancellationToken)
    {
        var waiting = _turns.AcquireAsync(cancellationToken);
        await _services.Runtime.Enter();
        var turn = await waiting;
        var isTaken = false;
        try
        {
            if (_isEnded)
            {
                throw new TransactionEndedException(_page.Id);
            }

            lock (_page.Gate)
            {
                _page.ThrowIfUnusable();
            }

            isTaken = true;
            return turn;
        }
        finally
        {
            if (!isTaken)
            {
                turn.Dispose();
            }
        }
    }

    private async ValueTask ConsumeReferencesAsync()
    {
        foreach (var reference in _references.Keys)
        {
            if (_services.References.TryTake(reference) is { } value)
            {
                await value.DisposeAsync();
            }
        }
    }

    private async ValueTask EndAsync()
    {
        _isEnded = true;
        _connection.EndTransaction(this, _branch);
        foreach (var value in _references.Values)
        {
            await value.DisposeAsync();
        }

        _references.Clear();
        _hold.Dispose();
        await _lease.ReleaseAsync();
    }

    /// <summary>The message of a commit; null for none.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is too long.</exception>
    internal static string? CheckMessage(string? message)
    {
        if (string.IsNullOrEmpty(message))
        {
            return null;
        }

        var sizeBytes = CommitCodec.StrictUtf8.GetByteCount(message);
        return sizeBytes <= Commit.MessageSizeBytesMax
            ? message
            : throw new ArgumentOutOfRangeException(
                nameof(message), sizeBytes, $"A message has at most {Commit.MessageSizeBytesMax} bytes of UTF-8.");
    }
}
