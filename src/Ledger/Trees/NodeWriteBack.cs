using Ledger.Objects;
using Ledger.Runtime;

namespace Ledger.Trees;

/// <summary>
/// Writes the dirty nodes of a ledger that somebody still needs, and drops the others. Safe for concurrent use.
/// </summary>
/// <remarks>
/// Every node is written after those below it, and the log is one sequence: so a node that is in the store has its
/// whole tree there, also after a crash. No lock is held while it writes; commits go on meanwhile.
/// </remarks>
/// <param name="store">Where nodes go.</param>
/// <param name="cache">Keeps those that were written.</param>
/// <param name="dirty">The nodes.</param>
/// <param name="limits">When they are written.</param>
/// <param name="isReadOnly">Writes nothing: what is needed stays in memory, the rest is dropped.</param>
internal sealed class NodeWriteBack(
    IObjectStore store, NodeCache cache, DirtyNodes dirty, WriteBackLimits limits, bool isReadOnly)
{
    private const int BatchSizeBytesMax = 1024 * 1024;

    private readonly AsyncLock _turns = new();
    private long _commits;
    private long _changes;

    // What a sweep left without writing it counts anew only after as much has been added.
    private long _keptBytes;

    /// <summary>True when a limit is reached.</summary>
    public bool IsDue => dirty.SizeBytes - Kept >= limits.SizeBytes || IsFar;

    /// <summary>True when nothing more is to be made before something is written.</summary>
    public bool IsFull => dirty.SizeBytes - Kept >= limits.FullSizeBytes;

    // As many changes lie between the stored trees and the heads as are to be replayed at most.
    private bool IsFar =>
        Volatile.Read(ref _commits) >= limits.Commits || Volatile.Read(ref _changes) >= limits.Changes;

    private long Kept => isReadOnly ? Volatile.Read(ref _keptBytes) : 0;

    /// <summary>Begins to take the nodes of an edit.</summary>
    public NodeBatch BeginBatch() => new(dirty, cache, this);

    /// <summary>Counts commits of heads whose trees are not stored.</summary>
    public void Count(long commits, long changes)
    {
        Interlocked.Add(ref _commits, commits);
        Interlocked.Add(ref _changes, changes);
    }

    /// <summary>Writes if a limit is reached; when dropping what nobody needs makes enough room, that is all.</summary>
    /// <exception cref="StoreUnavailableException">The store refuses; the nodes stay.</exception>
    public async ValueTask RunIfDueAsync(CancellationToken cancellationToken)
    {
        using var turn = await _turns.AcquireAsync(cancellationToken);
        if (!IsDue)
        {
            return;
        }

        var isFar = IsFar;
        await RunAsync(() => isFar || dirty.SizeBytes > limits.KeptSizeBytes, cancellationToken);
    }

    /// <summary>Writes until there is room for more.</summary>
    /// <exception cref="StoreUnavailableException">The store refuses; the nodes stay.</exception>
    public async ValueTask MakeRoomAsync(CancellationToken cancellationToken)
    {
        using var turn = await _turns.AcquireAsync(cancellationToken);
        if (IsFull)
        {
            await RunAsync(static () => true, cancellationToken);
        }
    }

    /// <summary>Writes all that is needed now; then every tree that was held when this began is stored.</summary>
    /// <exception cref="StoreUnavailableException">The store refuses; the nodes stay.</exception>
    public async ValueTask RunAsync(CancellationToken cancellationToken)
    {
        using var turn = await _turns.AcquireAsync(cancellationToken);
        await RunAsync(static () => true, cancellationToken);
    }

    /// <summary>Writes some trees and drops everything else, held or not: nothing is used any more.</summary>
    /// <exception cref="StoreUnavailableException">The store refuses; what it has is sound.</exception>
    public async ValueTask CloseAsync(IReadOnlyCollection<ObjectId> roots, CancellationToken cancellationToken)
    {
        using var turn = await _turns.AcquireAsync(cancellationToken);
        var nodes = dirty.Sweep(roots);
        if (!isReadOnly)
        {
            await WriteAsync(nodes, cancellationToken);
        }
    }

    private async ValueTask RunAsync(Func<bool> isToBeWritten, CancellationToken cancellationToken)
    {
        // What is committed from here on counts for the next time.
        var commits = Interlocked.Exchange(ref _commits, 0);
        var changes = Interlocked.Exchange(ref _changes, 0);
        var nodes = dirty.Sweep();
        Volatile.Write(ref _keptBytes, dirty.SizeBytes);
        if (isReadOnly)
        {
            return;
        }

        var isWritten = false;
        try
        {
            if (isToBeWritten())
            {
                await WriteAsync(nodes, cancellationToken);
                isWritten = true;
            }
        }
        finally
        {
            if (!isWritten)
            {
                Count(commits, changes);
            }
        }
    }

    private async ValueTask WriteAsync(List<DirtyNode> nodes, CancellationToken cancellationToken)
    {
        await using var lease = store.BeginWrite();
        var first = 0;
        var sizeBytes = 0;
        for (var index = 0; index < nodes.Count; index++)
        {
            var (id, node) = nodes[index];
            await lease.PutAsync(ObjectKind.Node, id, node.Content, cancellationToken);
            sizeBytes += node.Content.Length;
            if (sizeBytes >= BatchSizeBytesMax || index == nodes.Count - 1)
            {
                await lease.WriteAheadAsync(cancellationToken);
                MarkStored(nodes[first..(index + 1)]);
                (first, sizeBytes) = (index + 1, 0);
            }
        }
    }

    private void MarkStored(List<DirtyNode> nodes)
    {
        // In this order: a reader finds each node in the cache, among the dirty ones, or in the store.
        foreach (var (id, node) in nodes)
        {
            cache.Add(id, node);
        }

        dirty.RemoveStored(nodes);
    }
}
