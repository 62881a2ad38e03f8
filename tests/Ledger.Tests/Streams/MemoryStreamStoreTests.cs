using Ledger.Conformance.Streams;
using Ledger.Streams;
using Ledger.Streams.Memory;

namespace Ledger.Tests.Streams;

/// <summary>The store in memory passes the kit.</summary>
public sealed class MemoryStreamStoreTests : StreamStoreConformance
{
    protected override bool IsShared => false;

    protected override ValueTask<IStreamStore> OpenStoreAsync(string name) => new(new MemoryStreamStore(name));
}
