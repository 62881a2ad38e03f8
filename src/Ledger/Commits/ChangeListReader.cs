using System.Runtime.CompilerServices;
using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Trees;

namespace Ledger.Commits;

/// <summary>Reads stored changes in key order, and finds the change of one key without reading the others.</summary>
/// <param name="runtime">Entered again after each result.</param>
/// <param name="source">Where the objects are.</param>
internal sealed class ChangeListReader(LedgerRuntime runtime, ObjectSource source)
{
    /// <summary>The changes, ascending by key; at most one list and one index of each level are in memory.</summary>
    /// <param name="list">What is read.</param>
    /// <param name="from">The first key that may be shown; empty for all.</param>
    /// <param name="cancellationToken">Ends the enumeration.</param>
    /// <exception cref="CorruptObjectException">A part is damaged, or the parts do not fit together.</exception>
    public async IAsyncEnumerable<TreeChange> ReadAsync(
        ChangeList list, ReadOnlyMemory<byte> from, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var open = new Stack<Level>();
        if (list.Count > 0)
        {
            open.Push(new Level([new ChangeIndexChild(default, list.Id, list.Count)], list.Level));
        }

        while (open.TryPeek(out var level))
        {
            if (level.Next == level.Children.Count)
            {
                open.Pop();
                continue;
            }

            var child = level.Children[level.Next++];
            if (level.ChildLevel > 0)
            {
                var children = await ReadIndexAsync(child, level.ChildLevel, cancellationToken);
                open.Push(new Level(children, level.ChildLevel - 1) { Next = FirstAtOrAfter(children, from) });
                continue;
            }

            foreach (var change in await ReadListAsync(child, cancellationToken))
            {
                if (change.Key.Span.SequenceCompareTo(from.Span) >= 0)
                {
                    yield return change;
                    await runtime.Enter();
                }
            }
        }
    }

    /// <summary>The change of a key, or null when it was not changed.</summary>
    /// <exception cref="CorruptObjectException">A part on the way is damaged.</exception>
    public async ValueTask<TreeChange?> FindAsync(
        ChangeList list, ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        if (list.Count == 0)
        {
            return null;
        }

        var child = new ChangeIndexChild(default, list.Id, list.Count);
        for (var level = list.Level; level > 0; level--)
        {
            var children = await ReadIndexAsync(child, level, cancellationToken);
            var index = FirstAtOrAfter(children, key);
            if (index == children.Count)
            {
                return null;
            }

            child = children[index];
        }

        var changes = await ReadListAsync(child, cancellationToken);
        var at = changes.FindIndex(change => change.Key.Span.SequenceEqual(key.Span));
        return at < 0 ? null : changes[at];
    }

    /// <summary>Reads an index and checks that it is what its parent says.</summary>
    /// <param name="child">As its parent describes it; without a key when nothing does.</param>
    /// <param name="level">1 when its children are lists.</param>
    /// <param name="cancellationToken">Cancels the read.</param>
    public async ValueTask<List<ChangeIndexChild>> ReadIndexAsync(
        ChangeIndexChild child, int level, CancellationToken cancellationToken)
    {
        var content = await source.ReadAsync(ObjectKind.ChangeIndex, child.Id, cancellationToken);
        var children = ChangeListCodec.DecodeIndex(content, level);
        Check(child, children.Sum(each => each.Count), children[^1].LastKey);
        return children;
    }

    /// <summary>Reads a list and checks that it is what its parent says.</summary>
    /// <param name="child">As its parent describes it; without a key when nothing does.</param>
    /// <param name="cancellationToken">Cancels the read.</param>
    public async ValueTask<List<TreeChange>> ReadListAsync(
        ChangeIndexChild child, CancellationToken cancellationToken)
    {
        var content = await source.ReadAsync(ObjectKind.ChangeList, child.Id, cancellationToken);
        var changes = ChangeListCodec.DecodeList(content);
        Check(child, changes.Count, changes[^1].Key);
        return changes;
    }

    private static void Check(ChangeIndexChild child, long count, ReadOnlyMemory<byte> lastKey)
    {
        if (count != child.Count)
        {
            throw new CorruptObjectException($"it has {count} changes where {child.Count} are expected", child.Id);
        }

        if (!child.LastKey.IsEmpty && !child.LastKey.Span.SequenceEqual(lastKey.Span))
        {
            throw new CorruptObjectException("its last key is not the one its index says", child.Id);
        }
    }

    private static int FirstAtOrAfter(List<ChangeIndexChild> children, ReadOnlyMemory<byte> key)
    {
        var index = children.FindIndex(child => child.LastKey.Span.SequenceCompareTo(key.Span) >= 0);
        return index < 0 ? children.Count : index;
    }

    private sealed record Level(List<ChangeIndexChild> Children, int ChildLevel)
    {
        public int Next { get; set; }
    }
}
