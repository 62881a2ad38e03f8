namespace Ledger.Trees;

/// <summary>When nodes are written that were made and not stored; whichever comes first.</summary>
/// <param name="SizeBytes">Memory of the nodes of a ledger that are not stored.</param>
/// <param name="Changes">Changes committed since the last write-back.</param>
/// <param name="Commits">Commits since the last write-back.</param>
internal sealed record WriteBackLimits(long SizeBytes, long Changes, long Commits)
{
    /// <summary>Those of pages.md: they also bound what a crash leaves to be rebuilt.</summary>
    public static readonly WriteBackLimits Default = new(64L << 20, 100_000, 1_000);

    /// <summary>Memory at which whoever makes one more node waits until some are written.</summary>
    public long FullSizeBytes => SizeBytes + SizeBytes / 4;

    /// <summary>Memory that is left as it is when dropping what nobody needs has made so much room.</summary>
    public long KeptSizeBytes => SizeBytes - SizeBytes / 8;
}
