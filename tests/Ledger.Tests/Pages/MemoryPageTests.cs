using Ledger.Conformance;
using Ledger.Objects;

namespace Ledger.Tests.Pages;

public sealed class MemoryPageTests : PageConformance
{
    private readonly List<IObjectStore> _kept = [new KeptObjectStore(new MemoryObjectStore())];

    internal override ValueTask<IObjectStore> OpenStoreAsync() => new(_kept[0]);
}
