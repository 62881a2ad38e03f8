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
    private readonly TreeSalt _salt;

    /// <summary>The trees in a store.</summary>
    /// <param name="store">Where nodes are read.</param>
    /// <param name="salt">The ledger's salt.</param>
    /// <param name="cacheSizeBytes">Bound on the memory of the node cache.</param>
    public Tree(IObjectStore store, TreeSalt salt, long cacheSizeBytes)
        : this(new NodeReader(store, new NodeCache(cacheSizeBytes), lease: null), salt)
    {
    }

    private Tree(NodeReader reader, TreeSalt salt)
    {
        _reader = reader;
        _salt = salt;
    }

    /// <summary>Root of the tree without entries; a constant, never stored.</summary>
    public static ObjectId EmptyRoot => Node.EmptyId;

    /// <summary>The same trees, and those whose nodes still wait in a lease.</summary>
    /// <param name="writer">The lease; the result is used only as long as it is, and as it is, by one caller.</param>
    public Tree Through(IObjectWriter writer) => new(_reader.Through(writer), _salt);

    /// <summary>The value of a key, or null when it has none. Completes at once when the nodes are cached.</summary>
    public ValueTask<EntryValue?> GetAsync(
        ObjectId root, ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        if (!_reader.TryReadRoot(root, out var node))
        {
            return ReadAndGetAsync(root, key, cancellationToken);
        }

        while (!node.IsLeaf)
        {
            var index = node.Find(key.Span);
            if (index == node.Count)
            {
                return default;
            }

            if (!_reader.TryReadChild(node, index, out var child))
            {
                return ReadAndGetAsync(node, key, cancellationToken);
            }

            node = child;
        }

        return new ValueTask<EntryValue?>(ValueIn(node, key.Span));
    }

    /// <summary>The entries of a range, ascending by key, or descending when <paramref name="reverse"/>.</summary>
    public async IAsyncEnumerable<TreeEntry> ScanAsync(
        ObjectId root, KeyRange range, bool reverse, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var cursor = await OpenAsync(root, cancellationToken);
        if (reverse)
        {
            for (var found = await cursor.SeekBeforeAsync(range.End, cancellationToken);
                found && cursor.CompareKey(range.Start.Span) >= 0;
                found = await cursor.PreviousAsync(cancellationToken))
            {
                yield return cursor.Current;
            }

            yield break;
        }

        for (var found = await cursor.SeekAsync(range.Start, cancellationToken);
            found && (range.End is not { } end || cursor.CompareKey(end.Span) < 0);
            found = await cursor.NextAsync(cancellationToken))
        {
            yield return cursor.Current;
        }
    }

    /// <summary>A cursor on no entry yet: seek it first.</summary>
    public async ValueTask<TreeCursor> OpenAsync(ObjectId root, CancellationToken cancellationToken) =>
        new(_reader, await _reader.ReadRootAsync(root, cancellationToken));

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

    /// <summary>Applies changes to a tree and writes the nodes that are new.</summary>
    /// <param name="root">The tree to begin with; its nodes may still wait in <paramref name="writer"/>.</param>
    /// <param name="sortedChanges">Strictly ascending by key; a delete of an absent key does nothing.</param>
    /// <param name="writer">Gets the new nodes, each before the one above it.</param>
    /// <param name="cancellationToken">Leaves the lease with nodes that nothing names.</param>
    /// <returns>The new root: the same for the same entries, so the old one when nothing changed.</returns>
    /// <exception cref="InvariantException">The changes are not in order.</exception>
    public async ValueTask<ObjectId> ApplyAsync(
        ObjectId root,
        IAsyncEnumerable<TreeChange> sortedChanges,
        IObjectWriter writer,
        CancellationToken cancellationToken)
    {
        var editor = new TreeEditor(
            _reader.Through(writer), _salt, root, new LeaseNodeSink(writer, _reader.Cache));
        await foreach (var change in sortedChanges.WithCancellation(cancellationToken))
        {
            await editor.ApplyAsync(change, cancellationToken);
        }

        return await editor.FinishAsync(cancellationToken);
    }

    /// <inheritdoc cref="ApplyAsync(ObjectId, IAsyncEnumerable{TreeChange}, IObjectWriter, CancellationToken)"/>
    public async ValueTask<ObjectId> ApplyAsync(
        ObjectId root,
        IEnumerable<TreeChange> sortedChanges,
        IObjectWriter writer,
        CancellationToken cancellationToken)
    {
        var editor = new TreeEditor(
            _reader.Through(writer), _salt, root, new LeaseNodeSink(writer, _reader.Cache));
        foreach (var change in sortedChanges)
        {
            await editor.ApplyAsync(change, cancellationToken);
        }

        return await editor.FinishAsync(cancellationToken);
    }

    private static EntryValue? ValueIn(Node leaf, ReadOnlySpan<byte> key)
    {
        var index = leaf.Find(key, out var exact);
        return exact ? leaf.ValueAt(index) : null;
    }

    private async ValueTask<EntryValue?> ReadAndGetAsync(
        ObjectId root, ReadOnlyMemory<byte> key, CancellationToken cancellationToken) =>
        await ReadAndGetAsync(await _reader.ReadRootAsync(root, cancellationToken), key, cancellationToken);

    private async ValueTask<EntryValue?> ReadAndGetAsync(
        Node node, ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
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
