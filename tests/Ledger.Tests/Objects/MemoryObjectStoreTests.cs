using Ledger.Conformance;
using Ledger.Objects;

namespace Ledger.Tests.Objects;

public sealed class MemoryObjectStoreTests : ObjectStoreConformance
{
    internal override ValueTask<IObjectStore> OpenAsync() =>
        ValueTask.FromResult<IObjectStore>(new MemoryObjectStore());
}
