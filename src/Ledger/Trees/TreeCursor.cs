using Ledger.Runtime;

namespace Ledger.Trees;

/// <summary>A place among the entries of a tree; moves both ways, reads a node only when it enters it.</summary>
/// <param name="reader">Where nodes come from.</param>
/// <param name="root">Root of the tree.</param>
internal sealed class TreeCursor(NodeReader reader, Node root)
{
    private readonly LevelCursor _leaves = new(reader, root, 0);
    private Node? _leaf;
    private int _index;

    /// <summary>True when the cursor stands on an entry.</summary>
    public bool IsValid => _leaf is not null && (uint)_index < (uint)_leaf.Count;

    /// <summary>The entry at the cursor; its parts are views that stay valid.</summary>
    public TreeEntry Current => new(Key, Value);

    /// <summary>The key at the cursor.</summary>
    public ReadOnlyMemory<byte> Key => Leaf.KeyAt(_index);

    /// <summary>The value at the cursor.</summary>
    public EntryValue Value => Leaf.ValueAt(_index);

    private Node Leaf
    {
        get
        {
            Invariant.Check(_leaf is not null);
            return _leaf;
        }
    }

    /// <summary>Order of the key at the cursor relative to <paramref name="key"/>.</summary>
    public int CompareKey(ReadOnlySpan<byte> key) => Leaf.CompareKeyAt(_index, key);

    /// <summary>Moves to the first entry whose key is not less than <paramref name="key"/>.</summary>
    /// <returns>False when there is none.</returns>
    public async ValueTask<bool> SeekAsync(ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        await _leaves.SeekAsync(key, cancellationToken);
        _leaf = _leaves.Node;
        _index = Leaf.Find(key.Span);
        return IsValid;
    }

    /// <summary>Moves to the last entry with a key less than <paramref name="key"/>, of all for null.</summary>
    /// <returns>False when there is none.</returns>
    public async ValueTask<bool> SeekBeforeAsync(ReadOnlyMemory<byte>? key, CancellationToken cancellationToken)
    {
        if (key is { } bound)
        {
            await SeekAsync(bound, cancellationToken);
        }
        else
        {
            await _leaves.LastAsync(cancellationToken);
            _leaf = _leaves.Node;
            _index = Leaf.Count;
        }

        return await PreviousAsync(cancellationToken);
    }

    /// <summary>Moves to the next entry.</summary>
    /// <returns>False at the end; the cursor then stands after the last entry.</returns>
    public ValueTask<bool> NextAsync(CancellationToken cancellationToken)
    {
        if (_index + 1 < Leaf.Count)
        {
            _index++;
            return new ValueTask<bool>(true);
        }

        return NextLeafAsync(cancellationToken);
    }

    /// <summary>Moves to the entry before.</summary>
    /// <returns>False at the beginning; the cursor then stands before the first entry.</returns>
    public ValueTask<bool> PreviousAsync(CancellationToken cancellationToken)
    {
        if (_index > 0)
        {
            _index--;
            return new ValueTask<bool>(true);
        }

        return PreviousLeafAsync(cancellationToken);
    }

    private async ValueTask<bool> NextLeafAsync(CancellationToken cancellationToken)
    {
        if (!await _leaves.NextAsync(cancellationToken))
        {
            _index = Leaf.Count;
            return false;
        }

        _leaf = _leaves.Node;
        _index = 0;
        return true;
    }

    private async ValueTask<bool> PreviousLeafAsync(CancellationToken cancellationToken)
    {
        if (!await _leaves.PreviousAsync(cancellationToken))
        {
            _index = -1;
            return false;
        }

        _leaf = _leaves.Node;
        _index = Leaf.Count - 1;
        return true;
    }
}
