using System.Data.Common;
using Ledger.Conformance.Streams;
using Ledger.Rpc;
using Ledger.Rpc.Client;
using Ledger.Server.Services;
using Ledger.Streams;
using Ledger.Streams.Relational;
using Ledger.Streams.Sqlite;
using Ledger.Tests.Streams;

namespace Ledger.Tests.Rpc;

/// <summary>A store of a server passes the kit over a real socket; behind it is a SQLite file.</summary>
public sealed class RemoteStreamStoreTests : StreamStoreConformance
{
    private readonly SqliteFile _file = new();
    private StoreCatalog? _catalog;
    private WireServer? _server;
    private RpcChannel? _channel;

    protected override StreamStoreCapabilities Promised => StreamStoreTable.Of("remote");

    protected override bool IsHeldByTransactions => true;

    public override async Task InitializeAsync()
    {
        _catalog = StoreCatalog.OfSqlite(_file.Path, fullText: true);
        _server = await WireServer.StartAsync(_catalog);
        _channel = _server.Connect();
    }

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        _channel!.Dispose();
        await _server!.DisposeAsync();
        await _catalog!.DisposeAsync();
        _file.Delete();
    }

    protected override async ValueTask<IStreamStore> OpenStoreAsync(string name) =>
        await RemoteStreamStore.OpenAsync(_channel!, name);

    protected override ValueTask<DbTransaction?> BeginAsync() => new(_file.Begin());

    protected override ValueTask<RelationalStreamStore?> OpenBehindAsync(IStreamStore store) =>
        new(new SqliteStreamStore(new() { DataSource = _file.Path, Store = store.Name }));
}
