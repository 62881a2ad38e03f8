using Ledger.Objects;
using Ledger.Pages.Rows;
using Ledger.Runtime;
using Ledger.Trees;

namespace Ledger.Pages;

/// <summary>A plain write on its way into the journal of a branch.</summary>
/// <param name="durability">What the acknowledged write has survived.</param>
/// <param name="cancellationToken">Has an effect until the write's group is begun.</param>
internal sealed class JournalWrite(Durability durability, CancellationToken cancellationToken) : QueuedWrite
{
    // A journal row's key and value without the changed key and value.
    private const int RowOverheadBytes = 80;

    /// <summary>Whose journal; given when the write is queued.</summary>
    [field: System.Diagnostics.CodeAnalysis.MaybeNull]
    public Branch Branch
    {
        get
        {
            Invariant.Check(field is not null);
            return field;
        }

        set;
    }

    /// <summary>What the acknowledged write has survived.</summary>
    public Durability Durability { get; } = durability;

    /// <summary>Has an effect until the write's group is begun.</summary>
    public CancellationToken CancellationToken { get; } = cancellationToken;

    /// <summary>The key; null when every key is removed.</summary>
    public ReadOnlyMemory<byte>? Key { get; init; }

    /// <summary>The value's bytes, our own copy; null when <see cref="Value"/> has it or the key is removed.</summary>
    public ReadOnlyMemory<byte>? Bytes { get; init; }

    /// <summary>When the value must be here.</summary>
    public EntryPriority Priority { get; init; }

    /// <summary>The entry's value once it is known; null when the key is removed.</summary>
    public EntryValue? Value { get; set; }

    /// <summary>Place in the branch's journal, once the group is begun.</summary>
    public ulong Sequence { get; set; }

    /// <summary>The journal row, once the group is begun.</summary>
    public JournalRow Row { get; set; }

    /// <summary>True when it gives a key a value.</summary>
    public bool IsPut => Bytes is not null || Value is not null;

    /// <inheritdoc/>
    public override long SizeBytes =>
        RowOverheadBytes + (Key?.Length ?? 0) + (Bytes?.Length ?? Value?.Inline.Length ?? 0);

    /// <inheritdoc/>
    public override bool JoinsGroupOf(QueuedWrite leader) =>
        leader is JournalWrite other && other.Durability == Durability;
}
