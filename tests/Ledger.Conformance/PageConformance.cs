using Ledger.Commits;
using Ledger.Objects;
using Ledger.Pages;
using Ledger.Pages.Rows;
using Ledger.Runtime;
using Ledger.Runtime.Real;
using Ledger.Trees;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Ledger.Conformance;

/// <summary>What pages promise over every store; inherit it and open yours.</summary>
/// <remarks>
/// Does not verify crashes, damage and disk full, which depend on the medium, nor merging and synchronisation.
/// </remarks>
public abstract partial class PageConformance : IAsyncLifetime
{
    private readonly List<LedgerStore> _opened = [];

    /// <summary>The seams that the ledger runs on.</summary>
    private protected LedgerRuntime Runtime { get; } = SystemRuntime.Create();

    /// <summary>The store of this test: empty at first, later with what it held when it was last closed.</summary>
    internal abstract ValueTask<IObjectStore> OpenStoreAsync();

    public virtual Task InitializeAsync() => Task.CompletedTask;

    public virtual async Task DisposeAsync()
    {
        foreach (var ledger in _opened)
        {
            await ledger.DisposeAsync();
        }
    }

    /// <summary>Opens the ledger of this test.</summary>
    internal async Task<LedgerStore> OpenLedgerAsync(IObjectStore? store = null)
    {
        var ledger = await LedgerStore.OpenAsync(
            Runtime,
            store ?? await OpenStoreAsync(),
            new SettingsRow("tests", new TreeSalt(1, 2), new ChunkSeed(3, 4), 5),
            new LedgerStoreOptions(new DeviceId(6), Durability.Flushed, 1 << 20, NullLogger.Instance),
            default);
        _opened.Add(ledger);
        return ledger;
    }

    /// <summary>Opens the root page of this test's ledger.</summary>
    internal async Task<IPage> OpenPageAsync() => await (await OpenLedgerAsync()).GetPageAsync(PageId.Root);
}
