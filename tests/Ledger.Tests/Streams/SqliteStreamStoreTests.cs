using Ledger.Conformance.Streams;
using Ledger.Streams;
using Ledger.Streams.Sqlite;

namespace Ledger.Tests.Streams;

/// <summary>The store in a SQLite file passes the kit.</summary>
public sealed class SqliteStreamStoreTests : StreamStoreConformance
{
    private readonly SqliteFile _file = new();

    protected override ValueTask<IStreamStore> OpenStoreAsync(string name) =>
        new(new SqliteStreamStore(new() { DataSource = _file.Path, Store = name, FullText = true }));

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        _file.Delete();
    }
}
