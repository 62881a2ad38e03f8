namespace Ledger.Conformance.Streams.History;

/// <summary>Who takes part in a history, and for how long.</summary>
internal sealed record HistoryShape
{
    /// <summary>Writers by the store itself.</summary>
    public int Own { get; init; } = 8;

    /// <summary>Writers in transactions of their own.</summary>
    public int Foreign { get; init; } = 8;

    /// <summary>Readers with cursors.</summary>
    public int Readers { get; init; } = 4;

    /// <summary>What a foreign transaction takes at most, in milliseconds, beside what it waits for.</summary>
    public int TransactionMs { get; init; } = 500;

    /// <summary>Appends of each writer at least.</summary>
    public int Turns { get; init; }

    /// <summary>How long is written at least.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>Entries that are committed at least, however long it takes, up to 5 minutes.</summary>
    public int CommittedMin { get; init; }
}
