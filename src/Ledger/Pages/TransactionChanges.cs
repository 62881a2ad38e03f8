using System.Runtime.CompilerServices;
using Ledger.Commits;
using Ledger.Objects;
using Ledger.Trees;

namespace Ledger.Pages;

/// <summary>The changes of an open transaction: in memory, and beyond a bound in sorted runs in its lease.</summary>
/// <remarks>For one caller at a time.</remarks>
/// <param name="services">The ledger's.</param>
/// <param name="lease">Takes the runs.</param>
/// <param name="sizeBytesMax">Memory that the changes may take.</param>
internal sealed class TransactionChanges(LedgerServices services, IObjectWriter lease, long sizeBytesMax)
{
    /// <summary>Memory that the changes of a transaction take unless said otherwise.</summary>
    public const long SizeBytesMax = 8L << 20;

    private const int EntryOverheadBytes = 160;

    private readonly SortedDictionary<ReadOnlyMemory<byte>, EntryValue?> _recent = new(KeyComparer.Instance);
    private readonly List<ChangeList> _runs = [];
    private long _sizeBytes;

    /// <summary>Whether the tree below counts as empty.</summary>
    public bool IsCleared { get; private set; }

    /// <summary>True when there are none.</summary>
    public bool IsEmpty => !IsCleared && _recent.Count == 0 && _runs.Count == 0;

    private ChangeListReader Reader => new(services.Runtime, new ObjectSource(services.Store, lease));

    /// <summary>Sets a key, or removes it when the value is null.</summary>
    public async ValueTask SetAsync(
        ReadOnlyMemory<byte> key, EntryValue? value, CancellationToken cancellationToken)
    {
        // Before the key is set: when this fails or is cancelled, the call has left no trace.
        if (_sizeBytes >= sizeBytesMax)
        {
            await SpillAsync(cancellationToken);
        }

        _recent[key] = value;
        _sizeBytes += EntryOverheadBytes + key.Length + (value?.Inline.Length ?? 0);
    }

    /// <summary>Lays a stored list over what there is; it is read where it is.</summary>
    public async ValueTask AddAsync(ChangeList list, CancellationToken cancellationToken)
    {
        if (_recent.Count > 0)
        {
            await SpillAsync(cancellationToken);
        }

        _runs.Add(list);
    }

    /// <summary>Removes every key.</summary>
    public void Clear()
    {
        _recent.Clear();
        _runs.Clear();
        _sizeBytes = 0;
        IsCleared = true;
    }

    /// <summary>Whether the changes decide the value of a key, and the value; null when the key is absent.</summary>
    public async ValueTask<(bool IsDecided, EntryValue? Value)> FindAsync(
        ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        if (_recent.TryGetValue(key, out var value))
        {
            return (true, value);
        }

        foreach (var run in Enumerable.Reverse(_runs))
        {
            if (await Reader.FindAsync(run, key, cancellationToken) is { } change)
            {
                return (true, change.Value);
            }
        }

        return (IsCleared, null);
    }

    /// <summary>The tree that the changes make of another one.</summary>
    /// <param name="root">The other one; somebody holds it.</param>
    /// <param name="batch">Takes the new nodes.</param>
    /// <param name="cancellationToken">Cancels the work.</param>
    /// <param name="changed">
    /// Told of each change that makes a difference to what it is applied to, which is the empty tree after
    /// <see cref="Clear"/>; or null.
    /// </param>
    public ValueTask<ObjectId> ApplyAsync(
        ObjectId root, NodeBatch batch, CancellationToken cancellationToken,
        Func<TreeChange, CancellationToken, ValueTask>? changed = null)
    {
        var before = IsCleared ? Tree.EmptyRoot : root;
        return _runs.Count == 0
            ? services.Tree.ApplyAsync(before, Recent(), batch, cancellationToken, changed)
            : services.Tree.ApplyAsync(before, MergeAsync(cancellationToken), batch, cancellationToken, changed);
    }

    /// <summary>The last change of each key, ascending by key.</summary>
    public IAsyncEnumerable<TreeChange> ReadAsync(CancellationToken cancellationToken) =>
        _runs.Count == 0 ? Recent().ToAsyncEnumerable() : MergeAsync(cancellationToken);

    private IEnumerable<TreeChange> Recent() => _recent.Select(pair => new TreeChange(pair.Key, pair.Value));

    private async ValueTask SpillAsync(CancellationToken cancellationToken)
    {
        var writer = new ChangeListWriter(lease);
        foreach (var change in Recent())
        {
            await writer.AddAsync(change, cancellationToken);
        }

        _runs.Add(await writer.FinishAsync(cancellationToken));
        _recent.Clear();
        _sizeBytes = 0;
    }

    /// <summary>All changes in key order; of several for a key the newest.</summary>
    private async IAsyncEnumerable<TreeChange> MergeAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var sources = new List<IAsyncEnumerator<TreeChange>>();
        try
        {
            // The smaller the rank, the newer the run.
            var heads = new PriorityQueue<int, (ReadOnlyMemory<byte> Key, int Rank)>(ByKeyThenRank.Instance);
            sources.Add(Recent().ToAsyncEnumerable().GetAsyncEnumerator(cancellationToken));
            sources.AddRange(Enumerable.Reverse(_runs).Select(run =>
                Reader.ReadAsync(run, default, cancellationToken).GetAsyncEnumerator(cancellationToken)));
            for (var rank = 0; rank < sources.Count; rank++)
            {
                await AdvanceAsync(heads, sources[rank], rank);
            }

            ReadOnlyMemory<byte>? last = null;
            while (heads.TryDequeue(out var rank, out var place))
            {
                if (last is not { } key || !key.Span.SequenceEqual(place.Key.Span))
                {
                    last = place.Key;
                    yield return sources[rank].Current;
                }

                await AdvanceAsync(heads, sources[rank], rank);
            }
        }
        finally
        {
            foreach (var source in sources)
            {
                await source.DisposeAsync();
            }
        }
    }

    private static async ValueTask AdvanceAsync(
        PriorityQueue<int, (ReadOnlyMemory<byte> Key, int Rank)> heads, IAsyncEnumerator<TreeChange> source, int rank)
    {
        if (await source.MoveNextAsync())
        {
            heads.Enqueue(rank, (source.Current.Key, rank));
        }
    }

    private sealed class ByKeyThenRank : IComparer<(ReadOnlyMemory<byte> Key, int Rank)>
    {
        public static readonly ByKeyThenRank Instance = new();

        public int Compare((ReadOnlyMemory<byte> Key, int Rank) x, (ReadOnlyMemory<byte> Key, int Rank) y)
        {
            var order = x.Key.Span.SequenceCompareTo(y.Key.Span);
            return order != 0 ? order : x.Rank.CompareTo(y.Rank);
        }
    }
}
