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
        HookView hook, Position position, bool retry, CancellationToken cancellationToken)
    {
        var count = retry
            ? (await daemon.CallAsync(
                AdminMethods.RetryHook, new() { Name = hook.Name, Position = position.Value },
                cancellationToken)).Count
            : (await daemon.CallAsync(
                AdminMethods.DropHook, new() { Name = hook.Name, Position = position.Value },
                cancellationToken)).Count;
        return count > 0;
    }
}
