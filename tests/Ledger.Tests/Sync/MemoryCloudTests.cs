using Ledger.Conformance;
using Ledger.Runtime;
using Ledger.Runtime.Real;
using Ledger.Sync;

namespace Ledger.Tests.Sync;

public sealed class MemoryCloudTests : CloudProviderConformance, IAsyncDisposable
{
    private readonly MemoryCloud _cloud = new(SystemRuntime.Create());

    protected override LedgerRuntime Runtime { get; } = SystemRuntime.Create();

    public ValueTask DisposeAsync() => _cloud.DisposeAsync();

    internal override ValueTask<ICloudProvider> OpenAsync() => new(_cloud);

    internal override ValueTask EraseAsync()
    {
        _cloud.Erase();
        return ValueTask.CompletedTask;
    }

    internal override ValueTask RollBackAsync(LedgerName ledger, FeedPosition last)
    {
        _cloud.RollBack(ledger, last);
        return ValueTask.CompletedTask;
    }

    internal override ValueTask<DateTimeOffset?> LeaseOfAsync(BlobName name) => new(_cloud.LeaseOf(name));
}
