using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Trees;

namespace Ledger.Commits;

/// <summary>Writes changes that come in key order through a lease, in bounded memory.</summary>
/// <remarks>Use once, from one caller at a time. Equal changes always give the same objects.</remarks>
/// <param name="lease">Where the objects go; they are in the store once it writes ahead or commits.</param>
internal sealed class ChangeListWriter(IObjectWriter lease)
{
    private readonly ByteWriter _change = new();
    private readonly ByteWriter _list = new();
    private readonly List<ClosedList> _closed = [];
    private readonly List<List<ChangeIndexChild>> _levels = [];
    private readonly List<int> _levelSizes = [];
    private readonly ByteWriter _lastKey = new(0);
    private int _listCount;
    private long _count;
    private long _sizeBytes = ChangeListCodec.ListHeaderSizeBytes;

    // Once the changes do not fit in a lone list any more, closed lists are written at once.
    private bool IsSplit => _sizeBytes > ChangeListCodec.LoneListSizeBytesMax;

    /// <summary>Adds a change.</summary>
    /// <param name="change">Its key is above the last one's; copied before the call returns.</param>
    /// <param name="cancellationToken">Cancels a write-ahead.</param>
    public ValueTask AddAsync(TreeChange change, CancellationToken cancellationToken)
    {
        Invariant.Check(_count == 0 || change.Key.Span.SequenceCompareTo(_lastKey.WrittenSpan) > 0);
        _change.Clear();
        ChangeListCodec.WriteChange(_change, change);
        if (ChangeListCodec.ListHeaderSizeBytes + _list.Length + _change.Length > ChangeListCodec.ListSizeBytesMax)
        {
            CloseList();
        }

        _list.WriteBytes(_change.WrittenSpan);
        _lastKey.Clear();
        _lastKey.WriteBytes(change.Key.Span);
        _listCount++;
        _count++;
        _sizeBytes += _change.Length;
        return IsSplit ? WriteClosedListsAsync(cancellationToken) : ValueTask.CompletedTask;
    }

    /// <summary>Writes what is left.</summary>
    /// <returns>The list; <see cref="ChangeList.Empty"/> when nothing was added.</returns>
    public async ValueTask<ChangeList> FinishAsync(CancellationToken cancellationToken)
    {
        if (_count == 0)
        {
            return ChangeList.Empty;
        }

        CloseList();
        if (!IsSplit)
        {
            var lone = new ByteWriter(checked((int)_sizeBytes));
            lone.WriteByte(ChangeListCodec.Version);
            _closed.ForEach(list => lone.WriteBytes(list.Changes));
            var id = await lease.PutAsync(ObjectKind.ChangeList, lone.WrittenMemory, cancellationToken);
            return new ChangeList(id, 0, _count);
        }

        await WriteClosedListsAsync(cancellationToken);
        var level = 0;
        for (; level + 1 < _levels.Count || _levels[level].Count > 1; level++)
        {
            await WriteIndexAsync(level, cancellationToken);
        }

        return new ChangeList(_levels[level][0].Id, level, _count);
    }

    private void CloseList()
    {
        _closed.Add(new ClosedList(_list.ToArray(), _listCount, _lastKey.ToArray()));
        _list.Clear();
        _listCount = 0;
    }

    private async ValueTask WriteClosedListsAsync(CancellationToken cancellationToken)
    {
        foreach (var list in _closed)
        {
            byte[] content = [ChangeListCodec.Version, .. list.Changes];
            var id = await lease.PutAsync(ObjectKind.ChangeList, content, cancellationToken);
            await AddChildAsync(0, new ChangeIndexChild(list.LastKey, id, list.Count), cancellationToken);
        }

        _closed.Clear();
    }

    private async ValueTask AddChildAsync(int level, ChangeIndexChild child, CancellationToken cancellationToken)
    {
        if (level == _levels.Count)
        {
            _levels.Add([]);
            _levelSizes.Add(ChangeListCodec.IndexHeaderSizeBytes);
        }

        var sizeBytes = ChangeListCodec.SizeOf(child);
        if (_levels[level].Count == ChangeListCodec.IndexChildrenMax ||
            _levelSizes[level] + sizeBytes > ChangeListCodec.IndexSizeBytesMax)
        {
            await WriteIndexAsync(level, cancellationToken);
        }

        _levels[level].Add(child);
        _levelSizes[level] += sizeBytes;
    }

    private async ValueTask WriteIndexAsync(int level, CancellationToken cancellationToken)
    {
        var children = _levels[level];
        var id = await lease.PutAsync(
            ObjectKind.ChangeIndex, ChangeListCodec.EncodeIndex(level + 1, children), cancellationToken);
        var index = new ChangeIndexChild(children[^1].LastKey, id, children.Sum(child => child.Count));
        children.Clear();
        _levelSizes[level] = ChangeListCodec.IndexHeaderSizeBytes;
        await AddChildAsync(level + 1, index, cancellationToken);
    }

    private sealed record ClosedList(byte[] Changes, int Count, byte[] LastKey);
}
