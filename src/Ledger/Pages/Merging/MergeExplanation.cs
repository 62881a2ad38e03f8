namespace Ledger.Pages.Merging;

/// <summary>How one merge decided one key, read back by comparing.</summary>
/// <param name="Merge">The merge.</param>
/// <param name="Policy">The policy that this device merged under; null when another device did.</param>
/// <param name="Resolver">Name of the resolver that the policy may have called, or null.</param>
/// <param name="Base">The entry that both sides come from; null when absent.</param>
/// <param name="Left">The newer head.</param>
/// <param name="Right">The older head.</param>
/// <param name="Result">The entry that the merge has; null when absent.</param>
/// <param name="Decision">What the result is.</param>
public sealed record MergeExplanation(
    CommitInfo Merge, MergePolicy? Policy, string? Resolver, Entry? Base, MergedSide Left, MergedSide Right,
    Entry? Result, MergeDecision Decision);

/// <summary>A key on one side of a merge.</summary>
/// <param name="Head">The side's head.</param>
/// <param name="Entry">The entry there; null when absent.</param>
/// <param name="Writer">The newest commit of this side alone that wrote the key; null when none did.</param>
public sealed record MergedSide(CommitInfo Head, Entry? Entry, CommitInfo? Writer);

/// <summary>What a merge made of a key on which its sides differ.</summary>
public enum MergeDecision
{
    /// <summary>What the newer head has.</summary>
    Left,

    /// <summary>What the older head has.</summary>
    Right,

    /// <summary>A value that neither has.</summary>
    New,

    /// <summary>Absent, although both have it.</summary>
    Deleted,
}
