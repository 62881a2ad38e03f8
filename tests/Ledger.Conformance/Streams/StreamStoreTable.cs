using Ledger.Streams;

namespace Ledger.Conformance.Streams;

/// <summary>Which store of this project promises what, with its full-text search switched on.</summary>
public static class StreamStoreTable
{
    private static readonly Dictionary<StreamStoreCapabilities, string[]> Rows = new()
    {
        [StreamStoreCapabilities.AtomicBatch] = ["memory", "sqlite", "postgres", "remote"],
        [StreamStoreCapabilities.AtomicAcrossStreams] = ["memory", "sqlite", "postgres", "remote"],
        [StreamStoreCapabilities.Dedup] = ["memory", "sqlite", "postgres", "remote"],
        [StreamStoreCapabilities.ExpectedEnd] = ["memory", "sqlite", "postgres", "remote"],
        [StreamStoreCapabilities.Annotations] = ["memory", "sqlite", "postgres", "remote"],
        [StreamStoreCapabilities.FullText] = ["sqlite", "postgres", "remote"],
        [StreamStoreCapabilities.Push] = ["memory", "sqlite", "postgres", "remote"],
        [StreamStoreCapabilities.Consumers] = ["memory", "sqlite", "postgres", "remote"],
        [StreamStoreCapabilities.Enlist] = ["sqlite", "postgres"],

        // No store has these, and no operation asks for them.
        [StreamStoreCapabilities.MutationLogSource] = [],
        [StreamStoreCapabilities.LateArrivals] = [],
    };

    /// <summary>Every capability that the table knows.</summary>
    public static IEnumerable<StreamStoreCapabilities> All => Rows.Keys;

    /// <summary>What a kind of store has: <c>memory</c>, <c>sqlite</c>, <c>postgres</c> or <c>remote</c>.</summary>
    /// <remarks>A remote store promises what the one behind it does, but for taking part in a transaction.</remarks>
    public static StreamStoreCapabilities Of(string kind) => Rows
        .Where(row => row.Value.Contains(kind))
        .Aggregate(StreamStoreCapabilities.None, (all, row) => all | row.Key);
}
