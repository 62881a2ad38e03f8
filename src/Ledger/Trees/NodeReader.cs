using System.Diagnostics.CodeAnalysis;
using Ledger.Objects;

namespace Ledger.Trees;

/// <summary>Reads nodes through the cache, and checks each against what its parent says of it.</summary>
/// <param name="store">Where nodes are.</param>
/// <param name="cache">The ledger's cache; has nodes of the store alone.</param>
/// <param name="dirty">The ledger's nodes that are not stored yet.</param>
internal sealed class NodeReader(IObjectStore store, NodeCache cache, DirtyNodes dirty)
{
    /// <summary>Reads a node without knowing anything of it.</summary>
    /// <exception cref="MissingObjectException">The node is not in the store.</exception>
    /// <exception cref="CorruptObjectException">It is no node.</exception>
    public ValueTask<Node> ReadAsync(ObjectId id, CancellationToken cancellationToken)
    {
        if (TryGet(id, out var node))
        {
            return new ValueTask<Node>(node);
        }

        return id == Node.EmptyId ? new ValueTask<Node>(Node.Empty) : ReadStoredAsync(id, cancellationToken);
    }

    /// <summary>Whether a node of the store is in memory.</summary>
    public bool IsCached(ObjectId id) => id == Node.EmptyId || cache.TryGet(id, out _);

    /// <summary>Whether a node is in the store, or was when it was last read; it is cached then.</summary>
    /// <exception cref="CorruptObjectException">It is no node.</exception>
    public async ValueTask<bool> IsStoredAsync(ObjectId id, CancellationToken cancellationToken) =>
        IsCached(id) || await TryReadStoredAsync(id, cancellationToken) is not null;

    /// <summary>Reads the root of a tree.</summary>
    /// <exception cref="MissingObjectException">The node is not in the store.</exception>
    /// <exception cref="CorruptObjectException">It is not the canonical encoding of a root.</exception>
    public async ValueTask<Node> ReadRootAsync(ObjectId root, CancellationToken cancellationToken)
    {
        var node = await ReadAsync(root, cancellationToken);
        CheckRoot(root, node);
        return node;
    }

    /// <summary>Reads a child of an inner node.</summary>
    /// <exception cref="MissingObjectException">The node is not in the store.</exception>
    /// <exception cref="CorruptObjectException">It is no node, or not the one that its parent describes.</exception>
    public ValueTask<Node> ReadChildAsync(Node parent, int index, CancellationToken cancellationToken) =>
        TryReadChild(parent, index, out var child)
            ? new ValueTask<Node>(child)
            : ReadStoredChildAsync(parent, index, cancellationToken);

    /// <summary>A root, if it is in memory.</summary>
    public bool TryReadRoot(ObjectId root, [NotNullWhen(true)] out Node? node)
    {
        if (!TryGet(root, out node))
        {
            return false;
        }

        CheckRoot(root, node);
        return true;
    }

    /// <summary>A child of an inner node, if it is in memory.</summary>
    public bool TryReadChild(Node parent, int index, [NotNullWhen(true)] out Node? child)
    {
        if (parent.TryGetLinked(index, out child))
        {
            return true;
        }

        var reference = parent.ChildAt(index);
        if (cache.TryGetSlot(reference.Id, out var slot) && slot.TryGet(out child))
        {
            CheckChild(parent, index, reference, child);
            parent.Link(index, slot);
            return true;
        }

        // What is not stored yet has no place that could be remembered.
        if (!dirty.TryGet(reference.Id, out child))
        {
            return false;
        }

        CheckChild(parent, index, reference, child);
        return true;
    }

    private static void CheckRoot(ObjectId root, Node node)
    {
        if (!node.IsLeaf && node.Count == 1)
        {
            throw new CorruptObjectException($"Tree node {root} is a root with one child; the child is the root.");
        }
    }

    private static void CheckChild(Node parent, int index, in NodeReference reference, Node child)
    {
        if (Mismatch(parent, index, reference, child) is { } mismatch)
        {
            throw new CorruptObjectException($"Tree node {reference.Id} is not what its parent says: {mismatch}.");
        }
    }

    private static string? Mismatch(Node parent, int index, in NodeReference reference, Node child)
    {
        if (child.Level != parent.Level - 1)
        {
            return $"its level is {child.Level} below a node of level {parent.Level}";
        }

        if (child.EntryCount != reference.EntryCount)
        {
            return $"it has {child.EntryCount} entries, not {reference.EntryCount}";
        }

        if (child.Flags != reference.Flags)
        {
            return $"its flags are {child.Flags}, not {reference.Flags}";
        }

        if (child.CompareKeyAt(child.Count - 1, parent, index) != 0)
        {
            return "its last key is another";
        }

        return index > 0 && child.CompareKeyAt(0, parent, index - 1) <= 0
            ? "it begins before the end of the child on its left"
            : null;
    }

    private async ValueTask<Node> ReadStoredChildAsync(Node parent, int index, CancellationToken cancellationToken)
    {
        var reference = parent.ChildAt(index);
        var child = await ReadStoredAsync(reference.Id, cancellationToken);
        CheckChild(parent, index, reference, child);
        return child;
    }

    private async ValueTask<Node> ReadStoredAsync(ObjectId id, CancellationToken cancellationToken) =>
        await TryReadStoredAsync(id, cancellationToken) ?? throw new MissingObjectException(id);

    private async ValueTask<Node?> TryReadStoredAsync(ObjectId id, CancellationToken cancellationToken)
    {
        if (await store.ReadAsync(ObjectKind.Node, id, cancellationToken) is not { } content)
        {
            return null;
        }

        var node = NodeDecoder.Decode(content);
        cache.Add(id, node);
        return node;
    }

    private bool TryGet(ObjectId id, [NotNullWhen(true)] out Node? node) =>
        cache.TryGet(id, out node) || dirty.TryGet(id, out node);
}
