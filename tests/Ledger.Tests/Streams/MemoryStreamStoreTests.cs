using Ledger.Conformance.Streams;
using Ledger.Streams;
using Ledger.Streams.Memory;
using Xunit;

namespace Ledger.Tests.Streams;

/// <summary>The store in memory passes the kit, also when something is taken from it.</summary>
public sealed class MemoryStreamStoreTests : StreamStoreConformance
{
    /// <summary>Each thing that it promises.</summary>
    public static TheoryData<StreamStoreCapabilities> Each =>
        [.. Enum.GetValues<StreamStoreCapabilities>().Where(one => one != 0 && Of("memory").HasFlag(one))];

    protected override bool IsShared => false;

    protected override StreamStoreCapabilities Promised => Of("memory");

    [Theory]
    [MemberData(nameof(Each))]
    public async Task What_is_taken_from_it_is_refused_and_nothing_else(StreamStoreCapabilities lacking)
    {
        await using var store = new MemoryStreamStore("orders", lacking);

        await CheckPromisesAsync(store, Promised & ~lacking);
    }

    protected override ValueTask<IStreamStore> OpenStoreAsync(string name) => new(new MemoryStreamStore(name));

    private static StreamStoreCapabilities Of(string kind) => StreamStoreTable.Of(kind);
}
