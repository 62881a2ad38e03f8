namespace Ledger.Pages.Merging;

/// <summary>How the heads of a page become one again (docs/merging.md).</summary>
public enum MergePolicy
{
    /// <summary>Each key takes what its newest writer wrote. The default; no resolver is called.</summary>
    LastOneWins = 0,

    /// <summary>
    /// Each key takes the change of the side that changed it; when both sides changed a key, and differently, the
    /// resolver is called.
    /// </summary>
    AutomaticWithFallback = 1,

    /// <summary>The resolver is called for every merge.</summary>
    Custom = 2,

    /// <summary>Heads stay apart until <see cref="IPage.MergeHeadsAsync"/> is called.</summary>
    None = 3,
}
