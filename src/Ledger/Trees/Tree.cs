using System.Runtime.CompilerServices;
using Ledger.Objects;
using Ledger.Runtime;

namespace Ledger.Trees;

/// <summary>Reads and edits the trees of one ledger, each named by its root. Safe for concurrent use.</summary>
/// <remarks>
/// Trees never change: an edit makes a new root that shares the untouched nodes. The format is docs/formats/tree.md.
/// Every method throws <see cref="MissingObjectException"/> when a node is not in the store, and
/// <see cref="CorruptObjectException"/> when one is not what its name or its parent says.
/// </remarks>
internal sealed class Tree
{
    private readonly NodeReader _reader;
    private readonly EditBufferPool _buffers;

    /// <summary>The trees in a store.</summary>
    /// <param name="store">Where nodes are.</param>
    /// <param name="salt">The ledger's salt.</param>
    /// <param name="cacheSizeBytes">Bound on the memory of the node cache.</param>
    /// <param name="limits">When new nodes are written; null for the limits of the format's defaults.</param>
    /// <param name="isReadOnly">New nodes are never written.</param>
    public Tree(
        IObjectStore store, TreeSalt salt, long cacheSizeBytes, WriteBackLimits? limits = null,
        bool isReadOnly = false)
    {
        var cache = new NodeCache(cacheSizeBytes);
        _buffers = new EditBufferPool(salt);
        _reader = new NodeReader(store, cache, Dirty);
        WriteBack = new NodeWriteBack(store, cache, Dirty, limits ?? WriteBackLimits.Default, isReadOnly);
    }

    /// <summary>Root of the tree without entries; a constant, never stored.</summary>
    public static ObjectId EmptyRoot => Node.EmptyId;

    /// <summary>The nodes that are not stored yet.</summary>
    public DirtyNodes Dirty { get; } = new();

    /// <summary>Stores them.</summary>
    public NodeWriteBack WriteBack { get; }

    /// <summary>Whether a root is in the store and in memory.</summary>
    public bool IsCached(ObjectId root) => _reader.IsCached(root);

    /// <summary>Keeps a tree at hand.</summary>
    /// <returns>Null when the tree is not here: its nodes were never written, or are lost.</returns>
    public async ValueTask<TreeHold?> TryHoldAsync(ObjectId root, CancellationToken cancellationToken)
    {
        // Written between the two looks, it is found by the second; swept, it is found by neither.
        return Dirty.TryHold(root) ??
            (await _reader.IsStoredAsync(root, cancellationToken) ? TreeHold.Stored : null);
    }

    /// <summary>The value of a key, or null when it has none, if the nodes on the way are in memory.</summary>
    /// <returns>False when one is not.</returns>
    public bool TryGet(ObjectId root, ReadOnlySpan<byte> key, out EntryValue? value)
    {
        value = null;
        if (!_reader.TryReadRoot(root, out var node))
        {
            return false;
        }

        while (!node.IsLeaf)
        {
            var index = node.Find(key);
            if (index == node.Count)
            {
                return true;
            }

            if (!_reader.TryReadChild(node, index, out var child))
            {
                return false;
            }

            node = child;
        }

        value = ValueIn(node, key);
        return true;
    }

    /// <summary>The value of a key, or null when it has none. Completes at once when the nodes are in memory.</summary>
    public ValueTask<EntryValue?> GetAsync(
        ObjectId root, ReadOnlyMemory<byte> key, CancellationToken cancellationToken) =>
        TryGet(root, key.Span, out var value)
            ? new ValueTask<EntryValue?>(value)
            : ReadAndGetAsync(root, key, cancellationToken);

    /// <summary>The entries of a range, ascending by key, or descending when <paramref name="reverse"/>.</summary>
    public async IAsyncEnumerable<TreeEntry> ScanAsync(
        ObjectId root, KeyRange range, bool reverse, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var scan = await OpenScanAsync(root, range, reverse, cancellationToken);
        while (await scan.MoveNextAsync(cancellationToken))
        {
            yield return scan.Current;
        }
    }

    /// <summary>A scan that stands before the first entry of a range.</summary>
    public async ValueTask<TreeScan> OpenScanAsync(
        ObjectId root, KeyRange range, bool reverse, CancellationToken cancellationToken) =>
        new(_reader, await _reader.ReadRootAsync(root, cancellationToken), range, reverse);

    /// <summary>How many entries a range has, from the stored counts: reads two paths at most.</summary>
    public async ValueTask<long> CountAsync(ObjectId root, KeyRange range, CancellationToken cancellationToken)
    {
        var node = await _reader.ReadRootAsync(root, cancellationToken);
        var end = range.End is { } bound ? await RankAsync(node, bound, cancellationToken) : node.EntryCount;
        var start = range.Start.IsEmpty ? 0 : await RankAsync(node, range.Start, cancellationToken);
        return Math.Max(end - start, 0);
    }

    /// <summary>The keys of a range whose entries differ, ascending; equal subtrees are not read.</summary>
    /// <remarks>Reads, on each side, about as many nodes as the tree is high for each place that differs.</remarks>
    public IAsyncEnumerable<TreeDifference> DiffAsync(
        ObjectId left, ObjectId right, KeyRange range, CancellationToken cancellationToken) =>
        TreeDiff.RunAsync(_reader, left, right, range, cancellationToken);

    /// <summary>Applies changes to a tree and makes the nodes that are new.</summary>
    /// <param name="root">The tree to begin with; somebody holds it.</param>
    /// <param name="sortedChanges">Strictly ascending by key; a delete of an absent key does nothing.</param>
    /// <param name="batch">Gets the new nodes, each before the one above it.</param>
    /// <param name="cancellationToken">Leaves the batch with nodes that nothing names.</param>
    /// <param name="changed">
    /// Told of each change that makes a difference: the diff of the two trees, for nothing. May be null.
    /// </param>
    /// <returns>The new root: the same for the same entries, so the old one when nothing changed.</returns>
    /// <exception cref="InvariantException">The changes are not in order.</exception>
    public async ValueTask<ObjectId> ApplyAsync(
        ObjectId root,
        IAsyncEnumerable<TreeChange> sortedChanges,
        NodeBatch batch,
        CancellationToken cancellationToken,
        Func<TreeChange, CancellationToken, ValueTask>? changed = null)
    {
        var buffers = _buffers.Rent();
        var editor = new TreeEditor(_reader, buffers, root, batch);
        await foreach (var change in sortedChanges.WithCancellation(cancellationToken))
        {
            await editor.ApplyAsync(change, cancellationToken);
            if (changed is not null && editor.HasChanged)
            {
                await changed(change, cancellationToken);
            }
        }

        var edited = await editor.FinishAsync(cancellationToken);
        _buffers.Return(buffers);
        return edited;
    }

    /// <inheritdoc cref="ApplyAsync(ObjectId, IAsyncEnumerable{TreeChange}, NodeBatch, CancellationToken,
    /// Func{TreeChange, CancellationToken, ValueTask})"/>
    public async ValueTask<ObjectId> ApplyAsync(
        ObjectId root,
        IEnumerable<TreeChange> sortedChanges,
        NodeBatch batch,
        CancellationToken cancellationToken,
        Func<TreeChange, CancellationToken, ValueTask>? changed = null)
    {
        var buffers = _buffers.Rent();
        var editor = new TreeEditor(_reader, buffers, root, batch);
        foreach (var change in sortedChanges)
        {
            await editor.ApplyAsync(change, cancellationToken);
            if (changed is not null && editor.HasChanged)
            {
                await changed(change, cancellationToken);
            }
        }

        var edited = await editor.FinishAsync(cancellationToken);
        _buffers.Return(buffers);
        return edited;
    }

    private static EntryValue? ValueIn(Node leaf, ReadOnlySpan<byte> key)
    {
        var index = leaf.Find(key, out var exact);
        return exact ? leaf.ValueAt(index) : null;
    }

    private async ValueTask<EntryValue?> ReadAndGetAsync(
        ObjectId root, ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        var node = await _reader.ReadRootAsync(root, cancellationToken);
        while (!node.IsLeaf)
        {
            var index = node.Find(key.Span);
            if (index == node.Count)
            {
                return null;
            }

            node = await _reader.ReadChildAsync(node, index, cancellationToken);
        }

        return ValueIn(node, key.Span);
    }

    private async ValueTask<long> RankAsync(Node node, ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        long rank = 0;
        while (!node.IsLeaf)
        {
            var child = node.Find(key.Span);
            for (var index = 0; index < child; index++)
            {
                rank += node.ChildAt(index).EntryCount;
            }

            if (child == node.Count)
            {
                return rank;
            }

            node = await _reader.ReadChildAsync(node, child, cancellationToken);
        }

        return rank + node.Find(key.Span);
    }
}
