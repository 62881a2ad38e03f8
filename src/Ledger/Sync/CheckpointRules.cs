namespace Ledger.Sync;

/// <summary>Which checkpoints of a page a cloud keeps.</summary>
internal static class CheckpointRules
{
    /// <summary>Refuses what no cloud takes: a mistake of the caller.</summary>
    public static void Check(IReadOnlyList<CloudCheckpoint> checkpoints)
    {
        foreach (var checkpoint in checkpoints)
        {
            ArgumentOutOfRangeException.ThrowIfZero(checkpoint.Content.Length, nameof(checkpoints));
            ArgumentOutOfRangeException.ThrowIfGreaterThan(
                checkpoint.Content.Length, CloudLimits.CheckpointSizeBytesMax, nameof(checkpoints));
        }
    }

    /// <summary>The position that every device of the set has acknowledged; null when the set is empty.</summary>
    public static FeedPosition? StableCutOf(IEnumerable<FeedPosition> acknowledged)
    {
        FeedPosition? least = null;
        foreach (var position in acknowledged)
        {
            least = least is { } known && known <= position ? known : position;
        }

        return least;
    }

    /// <summary>Positions of the checkpoints that nobody needs any more.</summary>
    /// <param name="positions">Of a page's checkpoints, ascending.</param>
    /// <param name="stableCut">From <see cref="StableCutOf"/>.</param>
    public static IEnumerable<FeedPosition> FindUnneeded(IReadOnlyList<FeedPosition> positions, FeedPosition? stableCut)
    {
        var atCut = stableCut is { } cut ? positions.LastOrDefault(position => position <= cut) : default;
        return positions.SkipLast(1).Where(position => position != atCut || stableCut is null);
    }
}
