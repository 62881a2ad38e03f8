using System.Runtime.CompilerServices;
using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Trees;

namespace Ledger.Pages.Merging;

/// <summary>One merge, as a resolver sees it: three states, what differs, and where the answers go.</summary>
/// <remarks>
/// Everything in it follows from the two heads alone. The last answer for a key counts. Safe for concurrent use. After
/// the merge has ended every member throws <see cref="ObjectDisposedException"/>.
/// </remarks>
public sealed class MergeContext
{
    private readonly LedgerServices _services;
    private readonly PageHistory _history;
    private readonly CommitWrites _writes;
    private readonly WrittenKeys _writtenKeys;
    private readonly MergeInput _input;
    private readonly IObjectWriter _lease;
    private readonly TransactionChanges _decisions;
    private readonly AsyncLock _turns = new();
    private bool _isClosed;

    internal MergeContext(
        LedgerServices services, PageId page, MergeInput input, MergeSnapshots snapshots, IObjectWriter lease)
    {
        (_services, Page, _input, _lease) = (services, page, input, lease);
        (Base, Left, Right) = (snapshots.Base, snapshots.Left, snapshots.Right);
        _history = new PageHistory(services, page);
        _writes = new CommitWrites(services, page);
        _writtenKeys = new WrittenKeys(services, _writes);
        _decisions = new TransactionChanges(services, lease, TransactionChanges.SizeBytesMax);
    }

    /// <summary>The page that is merged.</summary>
    public PageId Page { get; }

    /// <summary>The state that both sides come from.</summary>
    public IPageSnapshot Base { get; }

    /// <summary>The newer head.</summary>
    public IPageSnapshot Left { get; }

    /// <summary>The older head.</summary>
    public IPageSnapshot Right { get; }

    /// <summary>
    /// Every key that a side has written since the base, ascending; also one that has its old value again.
    /// </summary>
    public IAsyncEnumerable<MergeEntry> GetFullDiffAsync(CancellationToken cancellationToken = default) =>
        ReadAsync(onlyConflicts: false, cancellationToken);

    /// <summary>The keys that both sides have changed, and not to the same, ascending.</summary>
    public IAsyncEnumerable<MergeEntry> GetConflictingDiffAsync(CancellationToken cancellationToken = default) =>
        ReadAsync(onlyConflicts: true, cancellationToken);

    /// <summary>
    /// What each device's commit made of a key, oldest writer first: those of one side alone, and the common ones that
    /// are not older than the oldest of those.
    /// </summary>
    public async IAsyncEnumerable<KeyWrite> GetWritesAsync(
        ReadOnlyMemory<byte> key, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        KeyComparer.Check(key);
        ReadOnlyMemory<byte> ownKey = key.ToArray();
        await _services.Runtime.Enter();
        foreach (var commit in _input.Writers.Candidates.Where(commit => commit.Author is not null))
        {
            ThrowIfClosed();
            if (!await _writtenKeys.MayContainAsync(commit, ownKey, cancellationToken) ||
                await _writes.FindAsync(commit, ownKey, cancellationToken) is not { } write)
            {
                continue;
            }

            var info = await _history.DescribeAsync(commit, cancellationToken);
            yield return new KeyWrite(
                _input.Writers.SideOf(commit), info, await ShowAsync(ownKey, write.Before, cancellationToken),
                await ShowAsync(ownKey, write.After, cancellationToken));
            await _services.Runtime.Enter();
        }
    }

    /// <summary>The key gets the entry that the newer head has, or is absent as it is there.</summary>
    public Task TakeLeftAsync(ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default) =>
        TakeAsync(key, _input.Left.Root, cancellationToken);

    /// <summary>The key gets the entry that the older head has, or is absent as it is there.</summary>
    public Task TakeRightAsync(ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default) =>
        TakeAsync(key, _input.Right.Root, cancellationToken);

    /// <summary>The key gets a new value.</summary>
    /// <exception cref="ValueTooLargeException">The value is larger than 1 MiB: use a reference.</exception>
    public async Task PutAsync(
        ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value, EntryPriority priority = EntryPriority.Eager,
        CancellationToken cancellationToken = default)
    {
        KeyComparer.Check(key);
        PageValues.CheckDirect(value);
        var (ownKey, ownValue) = (key.ToArray(), value.ToArray());
        using var turn = await TakeTurnAsync(cancellationToken);
        var written = await _services.Values.WriteAsync(_lease, ownValue, priority, cancellationToken);
        await _decisions.SetAsync(ownKey, written, cancellationToken);
    }

    /// <summary>
    /// The key gets a value that was streamed in before. The reference stays known, for the merge may be tried again.
    /// </summary>
    /// <exception cref="UnknownReferenceException">The reference was put, released or made before a
    /// restart.</exception>
    public async Task PutReferenceAsync(
        ReadOnlyMemory<byte> key, Reference reference, EntryPriority priority = EntryPriority.Eager,
        CancellationToken cancellationToken = default)
    {
        KeyComparer.Check(key);
        var ownKey = key.ToArray();
        using var turn = await TakeTurnAsync(cancellationToken);
        await using var value = _services.References.Find(reference);
        var written = value.ToEntryValue(priority);
        if (!written.IsInline)
        {
            // Leased by the merge too, so that the reference may be released before the merge is stored.
            await _lease.ContainsAsync(written.Id, cancellationToken);
        }

        await _decisions.SetAsync(ownKey, written, cancellationToken);
    }

    /// <summary>The key is absent.</summary>
    public async Task DeleteAsync(ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default)
    {
        KeyComparer.Check(key);
        var ownKey = key.ToArray();
        using var turn = await TakeTurnAsync(cancellationToken);
        await _decisions.SetAsync(ownKey, null, cancellationToken);
    }

    /// <summary>Ends the conversation.</summary>
    /// <returns>The answers.</returns>
    internal async ValueTask<TransactionChanges> CloseAsync()
    {
        using var turn = await _turns.AcquireAsync(CancellationToken.None);
        _isClosed = true;
        return _decisions;
    }

    private async IAsyncEnumerable<MergeEntry> ReadAsync(
        bool onlyConflicts, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await _services.Runtime.Enter();
        ThrowIfClosed();
        await foreach (var (values, _, _) in _input.ReadAsync(cancellationToken))
        {
            ThrowIfClosed();
            if (!onlyConflicts || values.IsConflict)
            {
                yield return new MergeEntry(
                    values.Key, await ShowAsync(values.Key, values.Base, cancellationToken),
                    await ShowAsync(values.Key, values.Left, cancellationToken),
                    await ShowAsync(values.Key, values.Right, cancellationToken), values.IsConflict);
                await _services.Runtime.Enter();
            }
        }
    }

    private async Task TakeAsync(
        ReadOnlyMemory<byte> key, ObjectId root, CancellationToken cancellationToken)
    {
        KeyComparer.Check(key);
        var ownKey = key.ToArray();
        using var turn = await TakeTurnAsync(cancellationToken);
        var value = await _services.Tree.GetAsync(root, ownKey, cancellationToken);
        await _decisions.SetAsync(ownKey, value, cancellationToken);
    }

    private async ValueTask<Entry?> ShowAsync(
        ReadOnlyMemory<byte> key, EntryValue? value, CancellationToken cancellationToken) =>
        value is { } present ? await _services.Values.ToEntryAsync(key, present, cancellationToken) : null;

    private async ValueTask<AsyncLock.Releaser> TakeTurnAsync(CancellationToken cancellationToken)
    {
        var waiting = _turns.AcquireAsync(cancellationToken);
        await _services.Runtime.Enter();
        var turn = await waiting;
        if (Volatile.Read(ref _isClosed))
        {
            turn.Dispose();
            ThrowIfClosed();
        }

        return turn;
    }

    private void ThrowIfClosed() => ObjectDisposedException.ThrowIf(Volatile.Read(ref _isClosed), this);
}

/// <summary>The three states of a merge, held as long as it runs.</summary>
/// <param name="Base">What both sides come from.</param>
/// <param name="Left">The newer head.</param>
/// <param name="Right">The older head.</param>
internal sealed record MergeSnapshots(IPageSnapshot Base, IPageSnapshot Left, IPageSnapshot Right);
