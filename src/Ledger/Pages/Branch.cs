using Ledger.Commits;
using Ledger.Runtime;
using Ledger.Trees;

namespace Ledger.Pages;

/// <summary>A local head of a page with the journal on top of it. Guarded by the page's gate.</summary>
/// <param name="number">Names it among the page's branches.</param>
/// <param name="head">Its newest commit.</param>
/// <param name="covered">Sequence of the last journal entry that is in <paramref name="head"/>.</param>
internal sealed class Branch(uint number, Commit head, ulong covered)
{
    private ulong _lastSequence = covered;
    private Branch? _mergedInto;

    /// <summary>Names it among the page's branches.</summary>
    public uint Number { get; } = number;

    /// <summary>Its newest commit.</summary>
    public Commit Head { get; private set; } = head;

    /// <summary>Sequence of the last journal entry that is in <see cref="Head"/>.</summary>
    public ulong Covered { get; private set; } = covered;

    /// <summary>The changes on top, without those that are being folded.</summary>
    public JournalLayer Active { get; private set; } = new();

    /// <summary>
    /// The changes that are being folded, between <see cref="Head"/> and <see cref="Active"/>; or null.
    /// </summary>
    public JournalLayer? Frozen { get; private set; }

    /// <summary>The branch that this one has become part of through merges, or itself.</summary>
    public Branch Living
    {
        get
        {
            var branch = this;
            while (branch._mergedInto is { } next)
            {
                branch = next;
            }

            return branch;
        }
    }

    /// <summary>True when nothing is on top of <see cref="Head"/>.</summary>
    public bool IsClean => Frozen is null && Active.IsEmpty;

    /// <summary>Timestamp of the newest change: orders heads by age.</summary>
    public HybridTimestamp LastTimestamp =>
        !Active.IsEmpty ? Active.LastTimestamp : Frozen?.LastTimestamp ?? Head.Timestamp;

    /// <summary>The place of the next journal entry.</summary>
    public ulong NextSequence() => ++_lastSequence;

    /// <summary>Adds an entry that was read from the store.</summary>
    public void Restore(ulong sequence, Rows.JournalRow row)
    {
        Active.Apply(sequence, row);
        _lastSequence = sequence;
    }

    /// <summary>Whether the journal decides the value of a key.</summary>
    public bool TryGet(ReadOnlyMemory<byte> key, out EntryValue? value)
    {
        value = null;
        return Active.TryGet(key, out value) || (Frozen is { } frozen && frozen.TryGet(key, out value));
    }

    /// <summary>Begins a fold: new entries go on top of what is returned.</summary>
    public JournalLayer Freeze()
    {
        Invariant.Check(Frozen is null);
        Frozen = Active;
        Active = new JournalLayer();
        return Frozen;
    }

    /// <summary>Undoes <see cref="Freeze"/>: the entries are in the journal again, below the newer ones.</summary>
    public void Thaw()
    {
        Invariant.Check(Frozen is not null);
        Active = Active.Over(Frozen);
        Frozen = null;
    }

    /// <summary>Ends a fold: the frozen entries are in <paramref name="commit"/>.</summary>
    public void Advance(Commit commit, ulong covered)
    {
        Head = commit;
        Covered = covered;
        Frozen = null;
    }

    /// <summary>A merge has become the head, with these entries of both branches on top.</summary>
    public void Rebase(Commit commit, ulong covered, IEnumerable<(ulong Sequence, Rows.JournalRow Row)> entries)
    {
        Invariant.Check(Frozen is null);
        (Head, Covered, Active) = (commit, covered, new JournalLayer());
        foreach (var (sequence, row) in entries)
        {
            Restore(sequence, row);
        }
    }

    /// <summary>A merge has made this branch part of another one: nothing is written to it any more.</summary>
    public void MergeInto(Branch other)
    {
        Invariant.Check(other != this);
        _mergedInto = other;
    }
}
