using Ledger.Runtime;

namespace Ledger.Trees;

/// <summary>A place among the nodes of one level of a tree; both directions.</summary>
/// <param name="reader">Where nodes come from.</param>
/// <param name="root">Root of the tree.</param>
/// <param name="level">The level whose nodes are visited; at most that of the root.</param>
internal sealed class LevelCursor(NodeReader reader, Node root, int level)
{
    private readonly Node[] _nodes = new Node[root.Level + 1];
    private readonly int[] _indices = new int[root.Level + 1];

    private enum Side
    {
        First,
        Last,
    }

    /// <summary>The node at the cursor, or null before the first move and after a move that found none.</summary>
    public Node? Node { get; private set; }

    /// <summary>True when at least one node was passed over: by a seek, or by <see cref="Skip"/>.</summary>
    public bool HasSkipped { get; private set; }

    /// <summary>True when there is a node on the right.</summary>
    public bool HasNext => NextBranch(level) >= 0;

    /// <summary>Moves to the first node.</summary>
    public ValueTask FirstAsync(CancellationToken cancellationToken) => EdgeAsync(Side.First, cancellationToken);

    /// <summary>Moves to the last node.</summary>
    public ValueTask LastAsync(CancellationToken cancellationToken) => EdgeAsync(Side.Last, cancellationToken);

    /// <summary>Moves to the first node whose last key is at least <paramref name="key"/>, or to the last.</summary>
    public ValueTask SeekAsync(ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        _nodes[root.Level] = root;
        return DescendAsync(root.Level, key, cancellationToken);
    }

    /// <summary>Moves to the node on the right.</summary>
    /// <returns>False when there is none; the cursor then stays where it is.</returns>
    public async ValueTask<bool> NextAsync(CancellationToken cancellationToken)
    {
        var branch = NextBranch(level);
        if (branch < 0)
        {
            return false;
        }

        _indices[branch]++;
        await DescendAsync(branch, Side.First, cancellationToken);
        return true;
    }

    /// <summary>Moves to the node on the left.</summary>
    /// <returns>False when there is none; the cursor then stays where it is.</returns>
    public async ValueTask<bool> PreviousAsync(CancellationToken cancellationToken)
    {
        var branch = level + 1;
        while (branch <= root.Level && _indices[branch] == 0)
        {
            branch++;
        }

        if (branch > root.Level)
        {
            return false;
        }

        _indices[branch]--;
        await DescendAsync(branch, Side.Last, cancellationToken);
        return true;
    }

    /// <summary>
    /// Moves right, by at least one node, to the first node whose last key is not less than <paramref name="key"/>, or
    /// to the last node.
    /// </summary>
    /// <returns>False when there is no node on the right; the cursor then stays where it is.</returns>
    public async ValueTask<bool> SeekForwardAsync(ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        var branch = NextBranch(level);
        if (branch < 0)
        {
            return false;
        }

        // As long as the key is beyond this subtree and something follows it, the target is not in it.
        for (var above = NextBranch(branch); above > 0; above = NextBranch(branch))
        {
            if (_nodes[branch].CompareKeyAt(_nodes[branch].Count - 1, key.Span) >= 0)
            {
                break;
            }

            HasSkipped = true;
            branch = above;
        }

        var next = _indices[branch] + 1;
        var index = Math.Max(next, IndexOf(_nodes[branch], key.Span));
        HasSkipped |= index > next;
        _indices[branch] = index;
        _nodes[branch - 1] = await reader.ReadChildAsync(_nodes[branch], index, cancellationToken);
        await DescendAsync(branch - 1, key, cancellationToken);
        return true;
    }

    /// <summary>Notes that a node is passed over: the one at the cursor, or those on its right.</summary>
    public void Skip() => HasSkipped = true;

    private static int IndexOf(Node node, ReadOnlySpan<byte> key) => Math.Min(node.Find(key), node.Count - 1);

    private ValueTask EdgeAsync(Side side, CancellationToken cancellationToken)
    {
        _nodes[root.Level] = root;
        _indices[root.Level] = side == Side.First ? 0 : root.Count - 1;
        return DescendAsync(root.Level, side, cancellationToken);
    }

    private async ValueTask DescendAsync(int from, Side side, CancellationToken cancellationToken)
    {
        for (var current = from; current > level; current--)
        {
            var child = await reader.ReadChildAsync(_nodes[current], _indices[current], cancellationToken);
            _nodes[current - 1] = child;
            _indices[current - 1] = side == Side.First ? 0 : child.Count - 1;
        }

        Node = _nodes[level];
    }

    private async ValueTask DescendAsync(int from, ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        for (var current = from; current > level; current--)
        {
            var index = IndexOf(_nodes[current], key.Span);
            _indices[current] = index;
            HasSkipped |= index > 0;
            _nodes[current - 1] = await reader.ReadChildAsync(_nodes[current], index, cancellationToken);
        }

        Node = _nodes[level];
    }

    // The lowest level above the given one whose node has an entry after the one the path goes through, or -1.
    private int NextBranch(int above)
    {
        Invariant.Check(Node is not null);
        for (var branch = above + 1; branch <= root.Level; branch++)
        {
            if (_indices[branch] + 1 < _nodes[branch].Count)
            {
                return branch;
            }
        }

        return -1;
    }
}
