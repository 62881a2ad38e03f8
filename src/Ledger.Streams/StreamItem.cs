namespace Ledger.Streams;

/// <summary>What a subscription gives: an entry, the end of the backlog, or a sign of how far it has come.</summary>
/// <typeparam name="TEntry">An entry, or a typed one.</typeparam>
public abstract record StreamItem<TEntry>
{
    private protected StreamItem()
    {
    }
}

/// <summary>An entry that the filter lets through.</summary>
/// <param name="Entry">The entry.</param>
/// <typeparam name="TEntry">An entry, or a typed one.</typeparam>
public sealed record EntryItem<TEntry>(TEntry Entry) : StreamItem<TEntry>;

/// <summary>All that was there is read; from here entries come as they are committed. Given once.</summary>
/// <typeparam name="TEntry">An entry, or a typed one.</typeparam>
public sealed record CaughtUpItem<TEntry> : StreamItem<TEntry>;

/// <summary>Everything up to here was given or filtered out.</summary>
/// <param name="Id">The last entry seen.</param>
/// <param name="Position">Its place in the store.</param>
/// <typeparam name="TEntry">An entry, or a typed one.</typeparam>
public sealed record CheckpointItem<TEntry>(EntryId Id, Position? Position) : StreamItem<TEntry>;
