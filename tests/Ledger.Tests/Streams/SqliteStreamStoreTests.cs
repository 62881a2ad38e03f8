using System.Data.Common;
using Ledger.Conformance.Streams;
using Ledger.Streams;
using Ledger.Streams.Sqlite;
using Xunit;

namespace Ledger.Tests.Streams;

/// <summary>The store in a SQLite file passes the kit.</summary>
public sealed class SqliteStreamStoreTests : StreamStoreConformance
{
    private readonly SqliteFile _file = new();

    protected override StreamStoreCapabilities Promised => StreamStoreTable.Of("sqlite");

    protected override bool IsHeldByTransactions => true;

    [Fact]
    public async Task Without_an_index_of_words_a_search_for_words_is_refused_and_nothing_else()
    {
        await using var store = new SqliteStreamStore(new() { DataSource = _file.Path, Store = "orders" });

        await CheckPromisesAsync(store, Promised & ~StreamStoreCapabilities.FullText);
    }

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        _file.Delete();
    }

    protected override ValueTask<IStreamStore> OpenStoreAsync(string name) => new(new SqliteStreamStore(new()
    {
        DataSource = _file.Path,
        Store = name,
        FullText = true,
        WriteTimeout = TimeSpan.FromMinutes(1),
    }));

    protected override ValueTask<DbTransaction?> BeginAsync() => new(_file.Begin());
}
