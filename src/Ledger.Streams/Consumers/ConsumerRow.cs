namespace Ledger.Streams.Consumers;

/// <summary>What of a consumer's parked entries a change of its row must know.</summary>
internal enum ParkedPart
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Where they are: of each, <see cref="ConsumerState.ParkedState.Position"/> only.</summary>
    Positions,

    /// <summary>Everything.</summary>
    All,
}

/// <summary>A consumer as a store has it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="State">Its state without what is parked; null when there is no such consumer.</param>
/// <param name="NowMs">The database's clock, in milliseconds since the Unix epoch.</param>
/// <param name="Parked">What is parked, ascending by position, as far as it was asked for.</param>
internal sealed record ConsumerRow(
    string Name, string? State, long NowMs, IReadOnlyList<ConsumerState.ParkedState> Parked)
{
    /// <summary>The state with all that is parked in it, as the wire has it; null when there is none.</summary>
    /// <remarks>The same row gives the same text: who writes on the condition of a text compares it.</remarks>
    public string? Whole
    {
        get
        {
            if (State is null)
            {
                return null;
            }

            var state = ConsumerState.Parse(State);
            state.Parked = Parked.Count == 0 ? null : [.. Parked];
            return state.Format();
        }
    }

    /// <summary>The row of a state as the wire has it.</summary>
    public static ConsumerRow Of(string name, string? whole, long nowMs)
    {
        if (whole is null)
        {
            return new ConsumerRow(name, null, nowMs, []);
        }

        var state = ConsumerState.Parse(whole);
        var parked = state.Parked ?? [];
        state.Parked = null;
        return new ConsumerRow(
            name, state.Format(), nowMs,
            [.. parked.DistinctBy(entry => entry.Position).OrderBy(entry => entry.Position)]);
    }

    /// <summary>The state, which knows where something is parked; null when there is no such consumer.</summary>
    public ConsumerState? Parse()
    {
        if (State is null)
        {
            return null;
        }

        var state = ConsumerState.Parse(State);
        state.ParkedAt.UnionWith(Parked.Select(entry => entry.Position));
        return state;
    }

    /// <summary>The row after a change that does not delete it.</summary>
    public ConsumerRow After<TResult>(ConsumerUpdate<TResult> update)
    {
        var gone = update.Released.Concat(update.Parked.Select(entry => entry.Position)).ToHashSet();
        return this with
        {
            State = update.State ?? State,
            Parked =
            [
                .. Parked.Where(entry => !gone.Contains(entry.Position)).Concat(update.Parked)
                    .OrderBy(entry => entry.Position),
            ],
        };
    }

    /// <summary>The change that makes another row of this one, all of whose parked entries are known.</summary>
    public ConsumerUpdate<TResult> To<TResult>(ConsumerRow next, TResult result) =>
        new(next.State, next.State is null && State is not null, result)
        {
            Parked = [.. next.Parked.Except(Parked)],
            Released =
            [
                .. Parked.Select(entry => entry.Position).Except(next.Parked.Select(entry => entry.Position)),
            ],
        };
}
