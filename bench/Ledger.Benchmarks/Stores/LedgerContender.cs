using Ledger.Benchmarks.Measuring;
using Ledger.Objects;
using Ledger.Pages;
using Ledger.Runtime;

namespace Ledger.Benchmarks.Stores;

/// <summary>Ledger through its public interface: one page of one ledger.</summary>
internal sealed class LedgerContender : KeyValueStore
{
    private readonly Repository _repository;
    private IPageSnapshot? _snapshot;

    private LedgerContender(Repository repository, ILedger ledger, IPage page, CountingFileSystem files) =>
        (_repository, Ledger, Page, Files) = (repository, ledger, page, files);

    /// <inheritdoc/>
    public override string Name => "Ledger";

    /// <inheritdoc/>
    public override string Settings => "durability Flushed, one page; node cache as the others' caches";

    /// <summary>The ledger of the page.</summary>
    public ILedger Ledger { get; }

    /// <summary>The page that the entries are in.</summary>
    public IPage Page { get; }

    /// <summary>Counts what reaches the disk.</summary>
    public CountingFileSystem Files { get; }

    /// <summary>Opens or makes the repository in a directory.</summary>
    public static async Task<LedgerContender> OpenAsync(
        string directory, long cacheSizeBytes, Durability durability = Durability.Flushed)
    {
        var system = LedgerRuntime.CreateSystem();
        var files = new CountingFileSystem(system.Files);
        var repository = await Repository.OpenAsync(directory, new RepositoryOptions
        {
            Durability = durability,
            NodeCacheSizeBytes = cacheSizeBytes,
            Runtime = new LedgerRuntime(system.Scheduler, system.Time, system.Random, files, system.Network),
        });
        var ledger = await repository.GetLedgerAsync("benchmark");
        return new LedgerContender(repository, ledger, await ledger.GetPageAsync(PageId.Root), files);
    }

    /// <inheritdoc/>
    public override ValueTask PutAsync(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value) =>
        new(Page.PutAsync(key, value));

    /// <inheritdoc/>
    public override async ValueTask PutBatchAsync(EntryStream entries, int first, int count, int valueSeed = 0)
    {
        await using var transaction = await Page.BeginTransactionAsync();
        for (var i = first; i < first + count; i++)
        {
            await transaction.PutAsync(entries.Key(i), entries.Value(i + valueSeed));
        }

        await transaction.CommitAsync();
    }

    /// <inheritdoc/>
    public override ValueTask<int> GetAsync(ReadOnlyMemory<byte> key)
    {
        var read = Page.GetAsync(key);
        return read.IsCompletedSuccessfully ? new ValueTask<int>(LengthOf(read.Result)) : AwaitAsync(read);
    }

    /// <summary>The same through a snapshot that is held.</summary>
    public ValueTask<int> GetHeldAsync(ReadOnlyMemory<byte> key)
    {
        var read = _snapshot!.GetAsync(key);
        return read.IsCompletedSuccessfully ? new ValueTask<int>(LengthOf(read.Result)) : AwaitAsync(read);
    }

    /// <summary>Opens the snapshot that <see cref="GetHeldAsync"/> and the scans read.</summary>
    public async Task HoldSnapshotAsync()
    {
        if (_snapshot is not null)
        {
            await _snapshot.DisposeAsync();
        }

        _snapshot = await Page.GetSnapshotAsync();
    }

    /// <inheritdoc/>
    public override async ValueTask<long> ScanAsync(
        ReadOnlyMemory<byte>? start = null, ReadOnlyMemory<byte>? end = null, bool reverse = false)
    {
        if (_snapshot is null)
        {
            await HoldSnapshotAsync();
        }

        var count = 0L;
        await foreach (var entry in _snapshot!.GetEntriesAsync(start, end, reverse))
        {
            Touch(entry.Value!.Value.Span);
            count++;
        }

        return count;
    }

    /// <summary>Flushes everything that was acknowledged.</summary>
    public Task FlushAsync() => _repository.FlushAsync();

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        if (_snapshot is not null)
        {
            await _snapshot.DisposeAsync();
        }

        await Page.DisposeAsync();
        await _repository.DisposeAsync();
    }

    private static int LengthOf(ReadOnlyMemory<byte>? value) => value is { } found ? Touch(found.Span) : -1;

    private static async ValueTask<int> AwaitAsync(ValueTask<ReadOnlyMemory<byte>?> read) => LengthOf(await read);
}
