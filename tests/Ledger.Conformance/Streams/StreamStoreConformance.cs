using System.Data.Common;
using System.Text;
using Ledger.Streams;
using Ledger.Streams.Relational;
using Xunit;

namespace Ledger.Conformance.Streams;

/// <summary>What every stream store does; inherit it, and say how a store is opened.</summary>
/// <remarks>Each test has an instance of its own, and with it a database of its own.</remarks>
public abstract partial class StreamStoreConformance : IAsyncLifetime
{
    private readonly List<IStreamStore> _opened = [];

    /// <summary>False when every opened store has data of its own, as in memory.</summary>
    protected virtual bool IsShared => true;

    /// <summary>What it promises; for the stores of this project a column of <see cref="StreamStoreTable"/>.</summary>
    protected abstract StreamStoreCapabilities Promised { get; }

    /// <summary>How long a test waits for what must come.</summary>
    protected static TimeSpan Patience => TimeSpan.FromSeconds(30);

    /// <summary>Opens a store; again with the same name gives another one on the same data.</summary>
    protected abstract ValueTask<IStreamStore> OpenStoreAsync(string name);

    /// <summary>Begins a transaction of an application's own on the database, by a connection of its own.</summary>
    /// <returns>Where names without a schema mean the schema of the store; null when nobody else can use it.</returns>
    protected virtual ValueTask<DbTransaction?> BeginAsync() => default;

    /// <summary>Whether such a transaction holds up everybody who writes, not only to its streams.</summary>
    protected virtual bool IsHeldByTransactions => false;

    /// <summary>The store that such a transaction takes part in: this one, if it can, or the one behind it.</summary>
    /// <returns>Closed by the kit; null when nobody else can use the database.</returns>
    protected virtual ValueTask<RelationalStreamStore?> OpenBehindAsync(IStreamStore store) =>
        new(store as RelationalStreamStore);

    /// <inheritdoc/>
    public virtual Task InitializeAsync() => Task.CompletedTask;

    /// <inheritdoc/>
    public virtual async Task DisposeAsync()
    {
        foreach (var store in _opened)
        {
            await store.DisposeAsync();
        }
    }

    /// <summary>Opens a store that is closed after the test.</summary>
    protected async ValueTask<IStreamStore> OpenAsync(string name = "orders")
    {
        var store = await OpenStoreAsync(name);
        _opened.Add(store);
        return store;
    }

    /// <summary>An entry with a text.</summary>
    protected static NewEntry New(string text, string? dedupKey = null) =>
        new(Encoding.UTF8.GetBytes(text)) { DedupKey = dedupKey, SearchText = text };

    /// <summary>The text of an entry.</summary>
    protected static string Text(Entry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        return Encoding.UTF8.GetString(entry.Payload.Span);
    }

    /// <summary>The texts of a stream.</summary>
    protected static async ValueTask<string[]> TextsAsync(
        IStreamStore store, string stream, ReadOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(store);
        return await store.ReadAsync(stream, options).Select(Text).ToArrayAsync();
    }

    /// <summary>Appends texts one after the other, and gives their ids.</summary>
    protected static async ValueTask<EntryId[]> FillAsync(IStreamStore store, string stream, params string[] texts)
    {
        var result = await store.AppendAsync(stream, [.. texts.Select(text => New(text))]);
        return [.. result.Entries.Select(entry => entry.Id)];
    }

    /// <summary>A token that ends a test which hangs.</summary>
    protected static CancellationTokenSource Limit() => new(Patience);
}
