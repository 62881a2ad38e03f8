using Ledger.Objects;
using Ledger.Runtime;

namespace Ledger.Trees;

/// <summary>One side of a comparison: stands at an entry, or at a subtree that was not read yet.</summary>
/// <param name="reader">Where nodes come from.</param>
/// <param name="range">The keys that are compared.</param>
internal sealed class TreeDiffSide(NodeReader reader, KeyRange range)
{
    private readonly List<Frame> _path = [];

    /// <summary>True after the last entry of the range.</summary>
    public bool HasEnded => _path.Count == 0;

    /// <summary>True at an entry, false at a subtree.</summary>
    public bool IsAtEntry => Top.Node.IsLeaf;

    /// <summary>Level of the node that holds the entry, or the reference to the subtree.</summary>
    public int Level => Top.Node.Level;

    /// <summary>The subtree.</summary>
    public ObjectId ChildId => Top.Node.ChildAt(Top.Index).Id;

    /// <summary>Key of the entry.</summary>
    public ReadOnlyMemory<byte> Key => Top.Node.KeyAt(Top.Index);

    /// <summary>Value of the entry.</summary>
    public EntryValue Value => Top.Node.ValueAt(Top.Index);

    private Frame Top => _path[^1];

    /// <summary>Reads the root and goes to what may hold the beginning of the range.</summary>
    public async ValueTask StartAsync(ObjectId root, CancellationToken cancellationToken) =>
        Push(root, await reader.ReadRootAsync(root, cancellationToken));

    /// <summary>Reads the subtree and goes to its first entry or subtree that may be in the range.</summary>
    public async ValueTask ExpandAsync(CancellationToken cancellationToken) =>
        Push(ChildId, await reader.ReadChildAsync(Top.Node, Top.Index, cancellationToken));

    /// <summary>Goes past entries, or past subtrees; all of them are in the same node.</summary>
    public void Advance(int count)
    {
        _path[^1] = Top with { Index = Top.Index + count };
        Settle();
    }

    /// <summary>How many entries or subtrees from here on are known to be the same on both sides.</summary>
    /// <param name="other">Stands at the same entry, or the same subtree.</param>
    /// <returns>At least 1; those beyond the range may be among them.</returns>
    public int CountEqual(TreeDiffSide other)
    {
        var (ours, theirs) = (Top, other.Top);
        return Math.Max(1, ours.Node.CountEqual(ours.Index, theirs.Node, theirs.Index));
    }

    /// <summary>
    /// Goes past the node that <paramref name="other"/> is about to enter, when it is the same and nothing of it was
    /// passed here.
    /// </summary>
    /// <returns>True when both sides have gone past it.</returns>
    public bool TryPassOver(TreeDiffSide other)
    {
        var level = other.Level - 1;
        var depth = _path.Count - 1;
        while (depth > 0 && _path[depth].IsAtStart && _path[depth].Node.Level < level)
        {
            depth--;
        }

        var frame = _path[depth];
        if (!frame.IsAtStart || frame.Node.Level != level || frame.Id != other.ChildId)
        {
            return false;
        }

        _path.RemoveRange(depth, _path.Count - depth);
        if (_path.Count > 0)
        {
            Advance(1);
        }

        other.Advance(1);
        return true;
    }

    /// <summary>Whether everything at this place comes before whatever is at the place of the other side.</summary>
    public bool IsBefore(TreeDiffSide other) =>
        other.TryGetBound(out var bound, out var index) && Top.Node.CompareKeyAt(Top.Index, bound, index) <= 0;

    /// <summary>Order of the keys of two entries.</summary>
    public int CompareKey(TreeDiffSide other) =>
        Top.Node.CompareKeyAt(Top.Index, other.Top.Node, other.Top.Index);

    private void Push(ObjectId id, Node node)
    {
        var first = node.Find(range.Start.Span);
        _path.Add(new Frame(id, node, first, first));
        Settle();
    }

    // Leaves nodes that are at their end, and ends where the range does.
    private void Settle()
    {
        while (_path.Count > 0 && Top.Index == Top.Node.Count)
        {
            _path.RemoveAt(_path.Count - 1);
            if (_path.Count > 0)
            {
                _path[^1] = Top with { Index = Top.Index + 1 };
            }
        }

        if (_path.Count > 0 && range.End is { } end && IsBeyond(end.Span))
        {
            _path.Clear();
        }
    }

    private bool IsBeyond(ReadOnlySpan<byte> end) =>
        IsAtEntry
            ? Top.Node.CompareKeyAt(Top.Index, end) >= 0
            : TryGetBound(out var bound, out var index) && bound.CompareKeyAt(index, end) >= 0;

    // The greatest key before this place: everything from here on is greater than it.
    private bool TryGetBound(out Node node, out int index)
    {
        Invariant.Check(!HasEnded);
        for (var depth = _path.Count - 1; depth >= 0; depth--)
        {
            node = _path[depth].Node;
            index = _path[depth].Index - 1;
            if (index >= 0)
            {
                return true;
            }
        }

        node = Node.Empty;
        index = -1;
        return false;
    }

    private readonly record struct Frame(ObjectId Id, Node Node, int First, int Index)
    {
        public bool IsAtStart => Index == First;
    }
}
