using Google.Protobuf.WellKnownTypes;
using Ledger.Rpc.AdminV1;
using Ledger.Server.Hooks;
using Ledger.Server.Services;
using Ledger.Streams.Consumers;

namespace Ledger.Server.Hosting;

/// <summary>What operators ask of the daemon's hooks.</summary>
/// <param name="hooks">The hooks.</param>
/// <param name="catalog">The stores that their progress is kept in.</param>
internal sealed class HookAdmin(HookHost hooks, StoreCatalog catalog) : IHookAdmin
{
    /// <inheritdoc/>
    public async Task<IReadOnlyList<Hook>> ListAsync(CancellationToken cancellationToken)
    {
        var list = new List<Hook>();
        foreach (var status in hooks.Status)
        {
            var consumer = await FindAsync(status.Hook, cancellationToken);
            var hook = new Hook
            {
                Name = status.Hook.Name,
                Store = status.Hook.Store,

                // What stands after the path may be a secret.
                Url = status.Hook.Url.GetLeftPart(UriPartial.Path),
                Stream = status.Hook.Stream ?? "",
                Position = consumer?.Position.Value ?? 0,
                Delivered = status.Delivered,
                Failed = status.Failures,
                LastError = status.LastError ?? "",
            };
            hook.DeadLetters.AddRange((consumer?.Parked ?? []).Select(parked => new DeadLetter
            {
                Position = parked.Position.Value,
                Id = parked.Id.ToString(),
                Stream = parked.Stream,
                Attempts = parked.Attempts,
                Error = parked.Error,
                ParkedAt = Timestamp.FromDateTimeOffset(parked.ParkedAt),
            }));
            list.Add(hook);
        }

        return list;
    }

    /// <inheritdoc/>
    public async Task<int?> ReleaseAsync(
        string hook, long? position, bool retry, CancellationToken cancellationToken)
    {
        if (hooks.Status.FirstOrDefault(status => status.Hook.Name == hook)?.Hook is not { } options)
        {
            return null;
        }

        using var held = await catalog.FindAsync(options.Store, cancellationToken);
        if (held is null)
        {
            return 0;
        }

        var parked = (await FindAsync(options, cancellationToken))?.Parked ?? [];
        var count = 0;
        foreach (var letter in parked.Where(letter => position is null || letter.Position.Value == position))
        {
            if (await held.Store.ReleaseParkedAsync(options.ConsumerName, letter.Position, retry, cancellationToken))
            {
                count++;
            }
        }

        return count;
    }

    private async ValueTask<ConsumerInfo?> FindAsync(HookOptions hook, CancellationToken cancellationToken)
    {
        using var held = await catalog.FindAsync(hook.Store, cancellationToken);
        return held is null
            ? null
            : (await held.Store.ListConsumersAsync(cancellationToken))
                .FirstOrDefault(consumer => consumer.Name == hook.ConsumerName);
    }
}
