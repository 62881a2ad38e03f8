using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Runtime;

namespace Ledger.Tests.Objects.Segments;

public sealed class SegmentStoreOnMemoryTests : SegmentStoreKit
{
    private readonly MemoryFileSystem _files = new();

    private protected override LedgerRuntime Runtime => TestStores.RuntimeOn(_files);

    private protected override SegmentStoreOptions Options => new();
}

/// <summary>Segments, checkpoints and runs so small that every test of the kit crosses them.</summary>
public sealed class SegmentStoreInSmallPiecesTests : SegmentStoreKit
{
    private readonly MemoryFileSystem _files = new();

    private protected override LedgerRuntime Runtime => TestStores.RuntimeOn(_files);

    private protected override SegmentStoreOptions Options => new()
    {
        SegmentSizeBytes = 8 << 10,
        CheckpointSizeBytes = 2 << 10,
        CloseCheckpointSizeBytes = 1,
    };
}

public sealed class SegmentStoreOnDiskTests : SegmentStoreKit, IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("ledger-store-").FullName;

    private protected override LedgerRuntime Runtime => LedgerRuntime.CreateSystem();

    private protected override SegmentStoreOptions Options => new();

    private protected override string StoreDirectory => Path.Combine(_directory, "store");

    public void Dispose() => Directory.Delete(_directory, recursive: true);
}

public abstract class SegmentStoreKit : ObjectStoreConformance
{
    private protected abstract LedgerRuntime Runtime { get; }

    private protected abstract SegmentStoreOptions Options { get; }

    private protected virtual string StoreDirectory => "/data/store";

    internal override async ValueTask<IObjectStore> OpenAsync() =>
        await SegmentStore.OpenAsync(Runtime, StoreDirectory, Options, CancellationToken.None);

    internal override async ValueTask<IObjectStore> ReopenAsync(IObjectStore store)
    {
        await store.DisposeAsync();
        return await OpenAsync();
    }
}

/// <summary>What the tests of the segment store share.</summary>
internal static class TestStores
{
    /// <summary>The seams of production, on another disk.</summary>
    public static LedgerRuntime RuntimeOn(IFileSystem files)
    {
        var system = LedgerRuntime.CreateSystem();
        return new LedgerRuntime(system.Scheduler, system.Time, system.Random, files, system.Network);
    }
}
