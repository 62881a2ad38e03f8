using Ledger.Conformance;
using Ledger.Runtime;

namespace Ledger.Tests.Runtime;

public sealed class MemoryNetworkTests : NetworkConformance
{
    protected override INetwork Network { get; } = new MemoryNetwork();
}
