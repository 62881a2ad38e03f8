using Ledger.Server.Hooks;
using Ledger.Streams;
using Ledger.Streams.Consumers;

namespace Ledger.Cli.Hooks;

/// <summary>How a hook stands, as a daemon or a database says it.</summary>
/// <param name="Name">The hook.</param>
/// <param name="Store">Its store.</param>
/// <param name="Url">Its endpoint; null from a database, which does not know.</param>
/// <param name="Position">Everything up to here is delivered or parked.</param>
/// <param name="Delivered">Entries since the daemon began; null from a database.</param>
/// <param name="Failed">Failed requests since then; null from a database.</param>
/// <param name="LastError">The last failure since then; null for none.</param>
/// <param name="DeadLetters">Ascending by position.</param>
internal sealed record HookView(
    string Name, string Store, string? Url, long Position, long? Delivered, long? Failed, string? LastError,
    IReadOnlyList<ParkedEntry> DeadLetters);

/// <summary>Where hooks are looked at.</summary>
internal interface IHookSource
{
    /// <summary>All hooks, ascending by name.</summary>
    Task<IReadOnlyList<HookView>> ListAsync(CancellationToken cancellationToken);

    /// <summary>Decides about a dead letter.</summary>
    /// <returns>False when there is none at this position.</returns>
    Task<bool> ReleaseAsync(HookView hook, Position position, bool retry, CancellationToken cancellationToken);

    /// <summary>Decides about all dead letters.</summary>
    /// <returns>How many there were.</returns>
    Task<int> ReleaseAllAsync(HookView hook, bool retry, CancellationToken cancellationToken);
}

/// <summary>The hooks of a store in a database: the consumers that deliver them.</summary>
/// <param name="store">The store.</param>
internal sealed class StoredHooks(IStreamStore store) : IHookSource
{
    /// <inheritdoc/>
    public async Task<IReadOnlyList<HookView>> ListAsync(CancellationToken cancellationToken) =>
    [
        .. (await store.ListConsumersAsync(cancellationToken))
            .Where(consumer => consumer.Name.StartsWith(HookOptions.ConsumerPrefix, StringComparison.Ordinal))
            .Select(consumer => new HookView(
                consumer.Name[HookOptions.ConsumerPrefix.Length..], store.Name, null, consumer.Position.Value, null,
                null, null, consumer.Parked)),
    ];

    /// <inheritdoc/>
    public async Task<bool> ReleaseAsync(
        HookView hook, Position position, bool retry, CancellationToken cancellationToken) =>
        await store.ReleaseParkedAsync(HookOptions.ConsumerPrefix + hook.Name, position, retry, cancellationToken);

    /// <inheritdoc/>
    public async Task<int> ReleaseAllAsync(HookView hook, bool retry, CancellationToken cancellationToken)
    {
        var count = 0;
        foreach (var letter in hook.DeadLetters)
        {
            count += await ReleaseAsync(hook, letter.Position, retry, cancellationToken) ? 1 : 0;
        }

        return count;
    }
}
