using Ledger.Cli.Daemons;
using Ledger.Rpc;
using Ledger.Streams;
using Ledger.Streams.Consumers;

namespace Ledger.Cli.Hooks;

/// <summary>The hooks of a daemon.</summary>
/// <param name="daemon">The daemon.</param>
internal sealed class DaemonHooks(DaemonConnection daemon) : IHookSource
{
    /// <inheritdoc/>
    public async Task<IReadOnlyList<HookView>> ListAsync(CancellationToken cancellationToken) =>
    [
        .. (await daemon.CallAsync(AdminMethods.ListHooks, new(), cancellationToken)).Hooks
            .OrderBy(hook => hook.Name, StringComparer.Ordinal)
            .Select(hook => new HookView(
                hook.Name, hook.Store, hook.Url, hook.Position, hook.Delivered, hook.Failed,
                hook.LastError.Length == 0 ? null : hook.LastError,
                [.. hook.DeadLetters.Select(letter => new ParkedEntry(
                    new Position(letter.Position), EntryId.Parse(letter.Id), letter.Stream, letter.Attempts,
                    letter.Error, letter.ParkedAt.ToDateTimeOffset()))])),
    ];

    /// <inheritdoc/>
    public async Task<bool> ReleaseAsync(
        HookView hook, Position position, bool retry, CancellationToken cancellationToken) =>
        await ReleaseAsync(hook.Name, position.Value, isAll: false, retry, cancellationToken) > 0;

    /// <inheritdoc/>
    public async Task<int> ReleaseAllAsync(HookView hook, bool retry, CancellationToken cancellationToken) =>
        await ReleaseAsync(hook.Name, 0, isAll: true, retry, cancellationToken);

    private async Task<int> ReleaseAsync(
        string name, long position, bool isAll, bool retry, CancellationToken cancellationToken) => retry
        ? (await daemon.CallAsync(
            AdminMethods.RetryHook, new() { Name = name, Position = position, All = isAll }, cancellationToken)).Count
        : (await daemon.CallAsync(
            AdminMethods.DropHook, new() { Name = name, Position = position, All = isAll }, cancellationToken)).Count;
}
