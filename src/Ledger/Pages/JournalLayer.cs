using Ledger.Pages.Rows;
using Ledger.Runtime;
using Ledger.Trees;

namespace Ledger.Pages;

/// <summary>
/// Acknowledged changes on top of a commit: of each key the last one. Guarded by its page's gate until frozen.
/// </summary>
internal sealed class JournalLayer
{
    // What an entry costs besides its bytes: the node of the dictionary and the views.
    private const int EntryOverheadBytes = 160;

    private readonly SortedDictionary<ReadOnlyMemory<byte>, EntryValue?> _changes = new(KeyComparer.Instance);

    /// <summary>Whether the tree below counts as empty.</summary>
    public bool IsCleared { get; private set; }

    /// <summary>Journal entries applied, also those that later ones have replaced.</summary>
    public int EntryCount { get; private set; }

    /// <summary>Memory that the entries take, about.</summary>
    public long SizeBytes { get; private set; }

    /// <summary>Sequence of the last entry; 0 when there is none.</summary>
    public ulong LastSequence { get; private set; }

    /// <summary>Timestamp of the last entry.</summary>
    public HybridTimestamp LastTimestamp { get; private set; }

    /// <summary>Wall clock of the last entry.</summary>
    public long LastWallClockMs { get; private set; }

    /// <summary>True when there are no entries.</summary>
    public bool IsEmpty => EntryCount == 0;

    /// <summary>The last change of each key, ascending by key.</summary>
    public IEnumerable<TreeChange> Changes => _changes.Select(pair => new TreeChange(pair.Key, pair.Value));

    /// <summary>Adds an entry; later ones win.</summary>
    public void Apply(ulong sequence, JournalRow row)
    {
        Invariant.Check(sequence > LastSequence);
        if (row.Change is { } change)
        {
            _changes[change.Key] = change.Value;
            SizeBytes += EntryOverheadBytes + change.Key.Length + (change.Value?.Inline.Length ?? 0);
        }
        else
        {
            _changes.Clear();
            IsCleared = true;
            SizeBytes += EntryOverheadBytes;
        }

        EntryCount++;
        LastSequence = sequence;
        LastTimestamp = row.Timestamp;
        LastWallClockMs = row.WallClockMs;
    }

    /// <summary>Whether this layer decides the value of a key.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">The value; null when the key is absent.</param>
    public bool TryGet(ReadOnlyMemory<byte> key, out EntryValue? value) =>
        _changes.TryGetValue(key, out value) || IsCleared;

    /// <summary>Puts this layer's entries on top of an older layer's; neither is used any more.</summary>
    public JournalLayer Over(JournalLayer older)
    {
        if (IsEmpty)
        {
            return older;
        }

        if (IsCleared)
        {
            older._changes.Clear();
            older.IsCleared = true;
        }

        foreach (var (key, value) in _changes)
        {
            older._changes[key] = value;
        }

        older.EntryCount += EntryCount;
        older.SizeBytes += SizeBytes;
        older.LastSequence = LastSequence;
        older.LastTimestamp = LastTimestamp;
        older.LastWallClockMs = LastWallClockMs;
        return older;
    }
}
