using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Objects.Segments;

namespace Ledger.Tests.Pages;

/// <summary>Pages in a segment store on the real disk.</summary>
public sealed class DirectoryPageTests : PageConformance
{
    private readonly string _directory = Directory.CreateTempSubdirectory("ledger-pages-").FullName;

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }

    internal override async ValueTask<IObjectStore> OpenStoreAsync() => await SegmentStore.OpenAsync(
        Runtime, Path.Combine(_directory, "store"), new SegmentStoreOptions(), default);
}
