using Ledger.Objects;
using Ledger.Runtime;

namespace Ledger.Trees;

/// <summary>Rewrites one level of a tree from the left to the right, where it changes; tells the level above.</summary>
/// <remarks>
/// Holds one old node, and the entries of one new one. Old nodes are passed over only while the builder is empty at
/// the beginning of one: from there on the level would be cut in the same places again.
/// </remarks>
/// <param name="owner">The edit that this is a part of.</param>
/// <param name="level">0 for leaves.</param>
/// <param name="base">The old nodes of the level; null when the old tree has none.</param>
internal sealed class LevelEditor(TreeEditor owner, int level, LevelCursor? @base)
{
    private readonly NodeBuilder _builder = new(level, owner.Salt);
    private bool _hasClosed;

    // The old node whose entries are being taken over, and the first of them not taken yet; null between two nodes.
    private Node? _old;
    private int _index;

    // The old node that the level above still has and that must go from there, unless it is made again unchanged.
    private Node? _replaced;

    // The old root has no entry above it: when it stays beside new nodes, the level above has to be told.
    private bool IsTop => level == owner.BaseLevel;

    /// <summary>Puts or deletes an entry of the lowest level.</summary>
    public async ValueTask ChangeAsync(TreeChange change, CancellationToken cancellationToken)
    {
        await MoveToAsync(change.Key, cancellationToken);
        if (IsAt(change.Key.Span))
        {
            _index++;
        }

        if (change.Value is { } value && _builder.Add(change.Key.Span, value))
        {
            await CloseAsync(cancellationToken);
        }
    }

    /// <summary>Puts the entry of a new child.</summary>
    public async ValueTask PutChildAsync(
        ReadOnlyMemory<byte> lastKey, NodeReference child, CancellationToken cancellationToken)
    {
        await MoveToAsync(lastKey, cancellationToken);
        if (_builder.Add(lastKey.Span, child))
        {
            await CloseAsync(cancellationToken);
        }
    }

    /// <summary>Removes the entry of an old child.</summary>
    public async ValueTask DropChildAsync(ReadOnlyMemory<byte> lastKey, CancellationToken cancellationToken)
    {
        await MoveToAsync(lastKey, cancellationToken);
        Invariant.Check(IsAt(lastKey.Span));
        _index++;
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
            return isAlone ? Node.EmptyId : null;
        }

        if (isAlone && level > 0 && _builder.Count == 1)
        {
            return _builder.OnlyChild();
        }

        await CloseAsync(cancellationToken);
        return null;
    }

    private bool IsAt(ReadOnlySpan<byte> key) =>
        _old is { } old && _index < old.Count && old.CompareKeyAt(_index, key) == 0;

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
                await TakeAsync(old.Find(key.Span), cancellationToken);
                if (_index < old.Count)
                {
                    return;
                }

                await LeaveAsync(cancellationToken);
            }
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

                await TakeAsync(old.Count, cancellationToken);
                await LeaveAsync(cancellationToken);
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

    private async ValueTask TakeAsync(int end, CancellationToken cancellationToken)
    {
        while (_index < end)
        {
            Invariant.Check(_old is not null);
            if (_builder.Add(_old, _index++))
            {
                await CloseAsync(cancellationToken);
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

        await DropReplacedAsync(cancellationToken);
        _old = @base.Node;
        _index = 0;
        _replaced = _old;
        return true;
    }

    private async ValueTask LeaveAsync(CancellationToken cancellationToken)
    {
        _old = null;
        if (_builder.IsEmpty)
        {
            await DropReplacedAsync(cancellationToken);
        }
    }

    private async ValueTask CloseAsync(CancellationToken cancellationToken)
    {
        var node = _builder.Build();
        _hasClosed = true;
        NodeReference reference;
        if (_replaced is { } replaced && replaced.Content.Span.SequenceEqual(node.Content.Span))
        {
            _replaced = null;
            if (!IsTop)
            {
                return;
            }

            reference = owner.BaseReference;
        }
        else
        {
            // An open node of which nothing was taken yet may still stay as it is.
            if (_old is null || _index > 0)
            {
                await DropReplacedAsync(cancellationToken);
            }

            reference = await owner.WriteAsync(node, cancellationToken);
        }

        await owner.ParentOf(level).PutChildAsync(node.KeyAt(node.Count - 1), reference, cancellationToken);
    }

    private async ValueTask DropReplacedAsync(CancellationToken cancellationToken)
    {
        if (_replaced is not { } replaced)
        {
            return;
        }

        _replaced = null;
        if (!IsTop)
        {
            await owner.ParentOf(level).DropChildAsync(replaced.KeyAt(replaced.Count - 1), cancellationToken);
        }
    }
}
