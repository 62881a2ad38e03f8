using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Runtime;

namespace Ledger.Tests.Pages;

/// <summary>Pages in a segment store on a disk in memory.</summary>
public sealed class SegmentPageTests : PageConformance
{
    private readonly MemoryFileSystem _disk = new();

    internal override async ValueTask<IObjectStore> OpenStoreAsync() => await SegmentStore.OpenAsync(
        new LedgerRuntime(Runtime.Scheduler, Runtime.Time, Runtime.Random, _disk, Runtime.Network),
        "/store", new SegmentStoreOptions(), default);
}
