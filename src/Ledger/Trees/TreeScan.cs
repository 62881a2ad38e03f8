using Ledger.Runtime;

namespace Ledger.Trees;

/// <summary>
/// Moves over the entries of a range, each once: within a leaf at once, and a node is read only when it is entered.
/// </summary>
/// <remarks>For one caller at a time. Where the range ends is looked for once in each leaf.</remarks>
/// <param name="reader">Where nodes come from.</param>
/// <param name="root">Root of the tree.</param>
/// <param name="range">The keys.</param>
/// <param name="reverse">Descending by key, from the end of the range.</param>
internal sealed class TreeScan(NodeReader reader, Node root, KeyRange range, bool reverse)
{
    private readonly LevelCursor _leaves = new(reader, root, 0);
    private Node? _leaf;
    private int _index;

    // How far the range goes in the leaf: the first index that is out of it, or in reverse the last one that is in it.
    private int _end;
    private bool _isOver;

    /// <summary>The entry; its parts are views that stay valid.</summary>
    public TreeEntry Current => new(Key, Value);

    /// <summary>The key of the entry.</summary>
    public ReadOnlyMemory<byte> Key => Leaf.KeyAt(_index);

    /// <summary>The value of the entry.</summary>
    public EntryValue Value => Leaf.ValueAt(_index);

    private Node Leaf
    {
        get
        {
            Invariant.Check(_leaf is not null);
            return _leaf;
        }
    }

    /// <summary>Moves to the next entry if it is in the same leaf.</summary>
    /// <returns>False when it is not, or there is none.</returns>
    public bool TryMoveNext()
    {
        if (reverse ? _index <= _end : _index + 1 >= _end)
        {
            return false;
        }

        _index += reverse ? -1 : 1;
        return true;
    }

    /// <summary>Moves to the next entry.</summary>
    /// <returns>False at the end.</returns>
    public async ValueTask<bool> MoveNextAsync(CancellationToken cancellationToken)
    {
        while (!TryMoveNext())
        {
            if (_isOver || !await EnterLeafAsync(cancellationToken))
            {
                _isOver = true;
                return false;
            }
        }

        return true;
    }

    private ValueTask<bool> EnterLeafAsync(CancellationToken cancellationToken) =>
        reverse ? EnterLeftAsync(cancellationToken) : EnterRightAsync(cancellationToken);

    private async ValueTask<bool> EnterRightAsync(CancellationToken cancellationToken)
    {
        if (_leaf is not { } last)
        {
            await _leaves.SeekAsync(range.Start, cancellationToken);
            _leaf = _leaves.Node;
            _index = Leaf.Find(range.Start.Span) - 1;
        }
        else if (_end == last.Count && await _leaves.NextAsync(cancellationToken))
        {
            _leaf = _leaves.Node;
            _index = -1;
        }
        else
        {
            return false;
        }

        _end = range.End is { } end ? Leaf.Find(end.Span) : Leaf.Count;
        return true;
    }

    private async ValueTask<bool> EnterLeftAsync(CancellationToken cancellationToken)
    {
        if (_leaf is null)
        {
            if (range.End is { } end)
            {
                await _leaves.SeekAsync(end, cancellationToken);
                _leaf = _leaves.Node;
                _index = Leaf.Find(end.Span);
            }
            else
            {
                await _leaves.LastAsync(cancellationToken);
                _leaf = _leaves.Node;
                _index = Leaf.Count;
            }
        }
        else if (_end == 0 && await _leaves.PreviousAsync(cancellationToken))
        {
            _leaf = _leaves.Node;
            _index = Leaf.Count;
        }
        else
        {
            return false;
        }

        _end = Leaf.Find(range.Start.Span);
        return true;
    }
}
