namespace Ledger.Streams.Consumers;

/// <summary>Looks at consumers, and decides over the head of whoever has the lease.</summary>
internal static class ConsumerAdmin
{
    /// <summary>The consumers there are.</summary>
    public static async ValueTask<IReadOnlyList<ConsumerInfo>> ListAsync(
        StreamStore store, CancellationToken cancellationToken) =>
        [.. (await store.ListConsumersCoreAsync(cancellationToken)).Select(Describe)];

    /// <summary>Begins again after a position; parked entries stay parked.</summary>
    public static ValueTask<bool> ResetAsync(
        StreamStore store, string name, Position after, bool create, CancellationToken cancellationToken)
    {
        var identity = store.Runtime.NextUInt64();
        return store.UpdateConsumerCoreAsync(
            name,
            ParkedPart.None,
            row =>
            {
                if (row.State is null && !create)
                {
                    return new ConsumerUpdate<bool>(null, false, false);
                }

                var state = row.Parse() ?? new ConsumerState { Identity = identity };
                state.Read = after.Value;
                state.Pending.Clear();
                return Changed(state);
            },
            cancellationToken);
    }

    /// <summary>Hands a parked entry out again, or forgets it.</summary>
    public static ValueTask<bool> ReleaseAsync(
        StreamStore store, string name, Position position, bool retry, CancellationToken cancellationToken) =>
        store.UpdateConsumerCoreAsync(
            name,
            ParkedPart.All,
            row =>
            {
                var parked = row.Parked.FirstOrDefault(parked => parked.Position == position.Value);
                if (parked is null || row.Parse() is not { } state)
                {
                    return new ConsumerUpdate<bool>(null, false, false);
                }

                // After a reset it may be pending as well.
                if (retry && position.Value <= state.Read
                    && !state.Pending.Exists(pending => pending.Position == parked.Position))
                {
                    state.Pending.Add(new ConsumerState.PendingState
                    {
                        Position = parked.Position,
                        Id = parked.Id,
                        Stream = parked.Stream,
                    });
                    state.Pending.Sort((left, right) => left.Position.CompareTo(right.Position));
                }

                return Changed(state) with { Released = [parked.Position] };
            },
            cancellationToken);

    /// <summary>Forgets a consumer.</summary>
    public static ValueTask<bool> DropAsync(StreamStore store, string name, CancellationToken cancellationToken) =>
        store.UpdateConsumerCoreAsync(
            name, ParkedPart.None,
            row => new ConsumerUpdate<bool>(null, row.State is not null, row.State is not null), cancellationToken);

    // A new epoch, so that whoever works from the old state can no longer write it.
    private static ConsumerUpdate<bool> Changed(ConsumerState state)
    {
        state.Epoch++;
        state.UntilMs = 0;
        return new ConsumerUpdate<bool>(state.Format(), false, true);
    }

    /// <summary>What a row says.</summary>
    public static ConsumerInfo Describe(ConsumerRow row)
    {
        var state = row.Parse() ?? new ConsumerState();
        return new ConsumerInfo(
            row.Name, state.Epoch, new Position(state.Low), new Position(state.Read), state.Pending.Count,
            state.UntilMs > row.NowMs ? DateTimeOffset.FromUnixTimeMilliseconds(state.UntilMs) : null,
            [.. row.Parked.Select(parked => new ParkedEntry(
                new Position(parked.Position), EntryId.Parse(parked.Id), parked.Stream, parked.Attempts, parked.Error,
                DateTimeOffset.FromUnixTimeMilliseconds(parked.AtMs)))]);
    }
}
