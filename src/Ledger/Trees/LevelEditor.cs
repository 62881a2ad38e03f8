using Ledger.Objects;
using Ledger.Runtime;

namespace Ledger.Trees;

/// <summary>Rewrites one level of a tree from the left to the right, where it changes; tells the level above.</summary>
/// <remarks>
/// Holds one old node, and the entries of one new one. Old nodes are passed over only while the builder is empty at
/// the beginning of one: from there on the level would be cut in the same places again. What the level above has to
/// be told waits until enough new nodes are there to be hashed together.
/// </remarks>
/// <param name="owner">The edit that this is a part of.</param>
/// <param name="level">0 for leaves.</param>
/// <param name="buffers">What it works with.</param>
/// <param name="base">The old nodes of the level; null when the old tree has none.</param>
internal sealed class LevelEditor(TreeEditor owner, int level, LevelBuffers buffers, LevelCursor? @base)
{
    private readonly NodeBuilder _builder = buffers.Builder;
    private readonly ByteWriter _tail = buffers.Tail;
    private readonly FinishedNodes _finished = new(owner, level, buffers);
    private bool _hasClosed;

    // The old node whose entries are being taken over, the first of them not taken yet, and the weight of those before
    // it; null between two nodes.
    private Node? _old;
    private int _index;
    private int _oldWeight;

    // The old node that the level above still has and that must go from there, unless it is made again unchanged.
    private Node? _replaced;

    /// <summary>Whether the last <see cref="ChangeAsync"/> made a difference to the entries.</summary>
    public bool HasChanged { get; private set; }

    // The old root has no entry above it: when it stays beside new nodes, the level above has to be told.
    private bool IsTop => level == owner.BaseLevel;

    /// <summary>Puts or deletes an entry of the lowest level. Completes at once unless a node has to be read.</summary>
    public ValueTask ChangeAsync(in TreeChange change, CancellationToken cancellationToken)
    {
        if (!TryMoveTo(change.Key.Span))
        {
            return MoveAndChangeAsync(change, cancellationToken);
        }

        Change(change);
        return FlushIfFullAsync(cancellationToken);
    }

    /// <summary>Puts the entry of a new child.</summary>
    /// <param name="lastKey">Read during the call only.</param>
    /// <param name="child">The child.</param>
    /// <param name="cancellationToken">Cancels the reading of nodes.</param>
    public async ValueTask PutChildAsync(
        ReadOnlyMemory<byte> lastKey, NodeReference child, CancellationToken cancellationToken)
    {
        if (!TryMoveTo(lastKey.Span))
        {
            await MoveToAsync(lastKey, cancellationToken);
        }

        if (_builder.Add(lastKey.Span, child))
        {
            Close();
        }

        await FlushIfFullAsync(cancellationToken);
    }

    /// <summary>Removes the entry of an old child.</summary>
    /// <inheritdoc cref="PutChildAsync" path="/param"/>
    public async ValueTask DropChildAsync(ReadOnlyMemory<byte> lastKey, CancellationToken cancellationToken)
    {
        if (!TryMoveTo(lastKey.Span))
        {
            await MoveToAsync(lastKey, cancellationToken);
        }

        Invariant.Check(IsAt(lastKey.Span));
        Drop();
        await FlushIfFullAsync(cancellationToken);
    }

    /// <summary>Completes the level after the last edit of it.</summary>
    /// <returns>The root when it is known now; null when it is on a level above, or did not change.</returns>
    public async ValueTask<ObjectId?> FinishAsync(CancellationToken cancellationToken)
    {
        await TakeRestAsync(cancellationToken);
        var isAlone = !_hasClosed && @base is not { HasSkipped: true };
        if (_builder.IsEmpty)
        {
            Invariant.Check(level == 0 || !isAlone);
            if (isAlone)
            {
                return Node.EmptyId;
            }
        }
        else if (isAlone && level > 0 && _builder.Count == 1)
        {
            return _builder.OnlyChild();
        }
        else
        {
            Close();
        }

        await _finished.FlushAsync(cancellationToken);
        return null;
    }

    private async ValueTask MoveAndChangeAsync(TreeChange change, CancellationToken cancellationToken)
    {
        await MoveToAsync(change.Key, cancellationToken);
        Change(change);
        await FlushIfFullAsync(cancellationToken);
    }

    private void Change(in TreeChange change)
    {
        var isThere = IsAt(change.Key.Span);
        if (change.Value is not { } value)
        {
            HasChanged = isThere;
            if (isThere)
            {
                Drop();
            }

            return;
        }

        // An entry that stays the same is taken over with its neighbours.
        HasChanged = !isThere || !HasValue(value);
        if (!HasChanged)
        {
            return;
        }

        if (isThere)
        {
            Drop();
        }

        if (_builder.Add(change.Key.Span, value))
        {
            Close();
        }
    }

    // Whether the old entry has the value: encodings are canonical.
    private bool HasValue(in EntryValue value)
    {
        Invariant.Check(_old is not null);
        _tail.Clear();
        NodeFormat.WriteTail(_tail, value);
        return _old.TailAt(_index).Span.SequenceEqual(_tail.WrittenSpan);
    }

    private void Drop()
    {
        Invariant.Check(_old is not null);
        _oldWeight += _old.MeasureAt(_index++).Weight;
    }

    private bool IsAt(ReadOnlySpan<byte> key) =>
        _old is { } old && _index < old.Count && old.CompareKeyAt(_index, key) == 0;

    // Takes over the old entries before the key; false when other nodes are needed for that.
    private bool TryMoveTo(ReadOnlySpan<byte> key)
    {
        if (_old is not { } old)
        {
            return @base is null or { Node: not null, HasNext: false };
        }

        var end = old.Find(key);
        if (end == old.Count)
        {
            return false;
        }

        Take(end);
        return true;
    }

    // Takes over or passes over every old entry before the key. If an old node must hold the key, it is then open.
    private async ValueTask MoveToAsync(ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        if (CanPassOver(key.Span))
        {
            PassOver();
        }

        do
        {
            if (_old is { } old)
            {
                Take(old.Find(key.Span));
                if (_index < old.Count)
                {
                    return;
                }

                Leave();
            }

            await FlushIfFullAsync(cancellationToken);
        }
        while (await EnterAsync(key, cancellationToken));
    }

    private async ValueTask TakeRestAsync(CancellationToken cancellationToken)
    {
        do
        {
            if (_old is { } old)
            {
                if (_index == 0 && _builder.IsEmpty && !(IsTop && _hasClosed))
                {
                    PassOver();
                    return;
                }

                Take(old.Count);
                Leave();
                await FlushIfFullAsync(cancellationToken);
            }

            if (_builder.IsEmpty)
            {
                if (@base is { HasNext: true })
                {
                    @base.Skip();
                }

                return;
            }
        }
        while (await EnterAsync(null, cancellationToken));
    }

    private void Take(int end)
    {
        while (_index < end)
        {
            Invariant.Check(_old is not null);
            _index = _builder.Take(_old, _index, end, ref _oldWeight, out var closes);
            if (closes)
            {
                Close();
            }
        }
    }

    // The last node is never passed over for a key beyond it: it may end without having been closed.
    private bool CanPassOver(ReadOnlySpan<byte> key) =>
        _old is { } old && _index == 0 && _builder.IsEmpty && @base is { HasNext: true } &&
        old.CompareKeyAt(old.Count - 1, key) < 0;

    private void PassOver()
    {
        Invariant.Check(@base is not null);
        @base.Skip();
        _old = null;
        _replaced = null;
    }

    private async ValueTask<bool> EnterAsync(ReadOnlyMemory<byte>? key, CancellationToken cancellationToken)
    {
        if (@base is null)
        {
            return false;
        }

        if (@base.Node is null)
        {
            Invariant.Check(key is not null);
            await @base.SeekAsync(key.Value, cancellationToken);
        }
        else if (!(key is { } target && _builder.IsEmpty
            ? await @base.SeekForwardAsync(target, cancellationToken)
            : await @base.NextAsync(cancellationToken)))
        {
            return false;
        }

        DropReplaced();
        _old = @base.Node;
        _index = 0;
        _oldWeight = 0;
        _replaced = _old;
        return true;
    }

    private void Leave()
    {
        _old = null;
        if (_builder.IsEmpty)
        {
            DropReplaced();
        }
    }

    private void Close()
    {
        var node = _builder.Build();
        _hasClosed = true;
        if (_replaced is { } replaced && replaced.Content.Span.SequenceEqual(node.Content.Span))
        {
            _replaced = null;
            if (IsTop)
            {
                _finished.AddOldRoot(node);
            }

            return;
        }

        // An open node of which nothing was taken yet may still stay as it is.
        if (_old is null || _index > 0)
        {
            DropReplaced();
        }

        _finished.Add(node);
    }

    private void DropReplaced()
    {
        if (_replaced is { } replaced && !IsTop)
        {
            _finished.Drop(replaced);
        }

        _replaced = null;
    }

    private ValueTask FlushIfFullAsync(CancellationToken cancellationToken) =>
        _finished.IsFull ? _finished.FlushAsync(cancellationToken) : ValueTask.CompletedTask;
}
