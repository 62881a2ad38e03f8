namespace Ledger.Streams;

/// <summary>One page of a read, as a store's inner part is asked for it.</summary>
internal sealed record PageQuery
{
    /// <summary>The stream; null for every stream.</summary>
    public string? Stream { get; init; }

    /// <summary>Order and bounds are of positions, not of ids.</summary>
    public bool ByPosition { get; init; }

    /// <summary>Exclusive; zero for no bound. An id, or a position when <see cref="ByPosition"/>.</summary>
    public EntryId After { get; init; }

    /// <summary>Exclusive; null for no bound.</summary>
    public EntryId? Before { get; init; }

    /// <summary>Inclusive; null for no bound.</summary>
    public EntryId? Through { get; init; }

    /// <summary>Largest first.</summary>
    public bool Descending { get; init; }

    /// <summary>Which entries.</summary>
    public EntryFilter Filter { get; init; } = EntryFilter.None;

    /// <summary>Text to find; null for any.</summary>
    public string? Search { get; init; }

    /// <summary>The text is words.</summary>
    public bool IsFullText { get; init; }

    /// <summary>Entries at most.</summary>
    public int Limit { get; init; }

    /// <summary>Bytes of payloads, beyond which a page has no further entry.</summary>
    public int BytesMax { get; init; } = StreamStore.PageBytesMax;
}

/// <summary>One page that was read.</summary>
/// <param name="Entries">In the order that was asked for; at least one when there is one.</param>
/// <param name="IsLast">
/// There was nothing behind it when it was read. A page may end before its limit and not be the last: it is bounded by
/// bytes too (<see cref="PageQuery.BytesMax"/>).
/// </param>
internal readonly record struct EntryPage(IReadOnlyList<Entry> Entries, bool IsLast);
