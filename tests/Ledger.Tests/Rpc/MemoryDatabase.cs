using System.Collections.Concurrent;
using Ledger.Runtime;
using Ledger.Server.Services;
using Ledger.Streams;
using Ledger.Streams.Memory;

namespace Ledger.Tests.Rpc;

/// <summary>Stores in memory, each empty again when it was closed.</summary>
/// <param name="runtime">The seams.</param>
/// <param name="opening">Awaited with the name of a store before it is looked for; null for nothing.</param>
internal sealed class MemoryDatabase(LedgerRuntime runtime, Func<string, Task>? opening = null) : IStoreDatabase
{
    private readonly ConcurrentDictionary<string, string> _names = new(StringComparer.OrdinalIgnoreCase);
    private int _looks;

    /// <summary>How often a store was looked for.</summary>
    public int Looks => Volatile.Read(ref _looks);

    /// <inheritdoc/>
    public bool IsMadeByOpening => false;

    /// <inheritdoc/>
    public async ValueTask<StreamStore?> OpenAsync(string name, bool create, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _looks);
        await (opening?.Invoke(name) ?? Task.CompletedTask);
        if (create)
        {
            _names[name] = name;
        }

        return _names.ContainsKey(name) ? new MemoryStreamStore(name, runtime) : null;
    }

    /// <inheritdoc/>
    public StreamStoreCapabilities CapabilitiesOf(string name) => new MemoryStreamStore(name, runtime).Capabilities;

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<string>> ListAsync(CancellationToken cancellationToken) =>
        new([.. _names.Values.Order(StringComparer.OrdinalIgnoreCase)]);

    /// <inheritdoc/>
    public ValueTask CheckHealthAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
