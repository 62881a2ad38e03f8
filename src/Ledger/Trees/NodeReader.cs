using System.Diagnostics.CodeAnalysis;
using Ledger.Objects;

namespace Ledger.Trees;

/// <summary>Reads nodes through the cache, and checks each against what its parent says of it.</summary>
/// <param name="store">Where nodes are.</param>
/// <param name="cache">The ledger's cache.</param>
/// <param name="lease">Also sees the nodes that wait in this lease; null for none.</param>
internal sealed class NodeReader(IObjectStore store, NodeCache cache, IObjectWriter? lease)
{
    /// <summary>The cache that is read through.</summary>
    public NodeCache Cache => cache;

    /// <summary>The same store and cache, and the nodes that wait in <paramref name="writer"/>.</summary>
    public NodeReader Through(IObjectWriter writer) => new(store, cache, writer);

    /// <summary>Reads a node without knowing anything of it.</summary>
    /// <exception cref="MissingObjectException">The node is not in the store.</exception>
    /// <exception cref="CorruptObjectException">It is no node.</exception>
    public ValueTask<Node> ReadAsync(ObjectId id, CancellationToken cancellationToken)
    {
        if (cache.TryGet(id, out var node))
        {
            return new ValueTask<Node>(node);
        }

        return id == Node.EmptyId ? new ValueTask<Node>(Node.Empty) : ReadStoredAsync(id, cancellationToken);
    }

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

    /// <summary>A root, if it is cached.</summary>
    public bool TryReadRoot(ObjectId root, [NotNullWhen(true)] out Node? node)
    {
        if (!cache.TryGet(root, out node))
        {
            return false;
        }

        CheckRoot(root, node);
        return true;
    }

    /// <summary>A child of an inner node, if it is cached.</summary>
    public bool TryReadChild(Node parent, int index, [NotNullWhen(true)] out Node? child)
    {
        if (parent.TryGetLinked(index, out child))
        {
            return true;
        }

        var reference = parent.ChildAt(index);
        if (!cache.TryGetSlot(reference.Id, out var slot) || !slot.TryGet(out child))
        {
            return false;
        }

        CheckChild(parent, index, reference, child);
        parent.Link(index, slot);
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

    private async ValueTask<Node> ReadStoredAsync(ObjectId id, CancellationToken cancellationToken)
    {
        // What waits in a lease is a view of its buffer, which it may use again; what a store returns stays.
        var content = lease?.TryGetWaiting(id) is { } waiting
            ? waiting.ToArray()
            : await store.ReadAsync(ObjectKind.Node, id, cancellationToken) ?? throw new MissingObjectException(id);
        var node = NodeDecoder.Decode(content);
        cache.Add(id, node);
        return node;
    }
}
