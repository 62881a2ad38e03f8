using Ledger.Pages;
using Ledger.Runtime;
using Ledger.Sync;

namespace Ledger.Conformance;

/// <summary>
/// A device of a user: a repository, a ledger in it, and an engine that synchronises it with a cloud.
/// </summary>
internal sealed class SyncDevice : IAsyncDisposable
{
    private readonly Repository _repository;

    private SyncDevice(Repository repository, LedgerStore ledger, SyncKeys keys, SyncEngine engine)
    {
        (_repository, Ledger, Keys, Engine) = (repository, ledger, keys, engine);
    }

    /// <summary>The secret of every device in the tests: 1, 2 … 32.</summary>
    public static ReadOnlyMemory<byte> Secret { get; } =
        Enumerable.Range(1, 32).Select(number => (byte)number).ToArray();

    public LedgerStore Ledger { get; }

    public SyncKeys Keys { get; }

    public SyncEngine Engine { get; }

    public Repository Repository => _repository;

    /// <summary>Opens a device.</summary>
    /// <param name="runtime">Its seams; several devices may share them.</param>
    /// <param name="directory">Its own directory.</param>
    /// <param name="cloud">The cloud.</param>
    /// <param name="options">How the repository is opened; runtime and secret are set here.</param>
    public static async Task<SyncDevice> OpenAsync(
        LedgerRuntime runtime, string directory, ICloudProvider cloud, RepositoryOptions? options = null)
    {
        var repository = await Repository.OpenAsync(
            directory, (options ?? new RepositoryOptions()) with { Runtime = runtime, Secret = Secret });
        var ledger = (LedgerStore)await repository.GetLedgerAsync("notes");
        var keys = new SyncKeys(Secret.Span, Secret.Span, 0, "notes");
        var engine = await SyncEngine.StartAsync(ledger, keys, cloud, CancellationToken.None);
        return new SyncDevice(repository, ledger, keys, engine);
    }

    public Task SyncAsync() => Engine.SyncNowAsync(CancellationToken.None);

    public async Task<IPage> OpenPageAsync(PageId? page = null) => await Ledger.GetPageAsync(page ?? PageId.Root);

    public async ValueTask DisposeAsync()
    {
        await Engine.DisposeAsync();
        await _repository.DisposeAsync();
    }
}
