using Ledger.Runtime;
using Xunit;

namespace Ledger.Tests.Runtime;

public sealed class SystemRandomnessTests
{
    [Fact]
    public void Random_bytes_differ_each_time()
    {
        var runtime = LedgerRuntime.CreateSystem();

        var numbers = Enumerable.Range(0, 1_000).Select(_ => runtime.NextUInt64()).ToHashSet();

        Assert.Equal(1_000, numbers.Count);
    }
}
