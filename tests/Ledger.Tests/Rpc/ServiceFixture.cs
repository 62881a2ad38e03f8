using Ledger.Server.Identities;
using Ledger.Server.Services;
using Ledger.Tests.Streams;
using Xunit;

namespace Ledger.Tests.Rpc;

/// <summary>The services on a SQLite file, without a wire.</summary>
public sealed class ServiceFixture : IAsyncLifetime
{
    private readonly SqliteFile _file = new();

    internal StoreCatalog Catalog { get; private set; } = null!;

    internal LedgerService Service { get; private set; } = null!;

    internal static Identity Everybody { get; } = new("all", null, Rights.All);

    public Task InitializeAsync()
    {
        Catalog = StoreCatalog.OfSqlite(_file.Path);
        Service = new LedgerService(Catalog);
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        await Catalog.DisposeAsync();
        _file.Delete();
    }

    internal static ServiceCall Call(string? store, Identity? identity = null) =>
        new(identity ?? Everybody, store, CancellationToken.None);
}
