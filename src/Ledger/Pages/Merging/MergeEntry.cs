namespace Ledger.Pages.Merging;

/// <summary>A key that a side has written, in the three states of a merge.</summary>
/// <param name="Key">The key.</param>
/// <param name="Base">The entry that both sides come from; null when absent.</param>
/// <param name="Left">The entry of the newer head; null when absent.</param>
/// <param name="Right">The entry of the older head; null when absent.</param>
/// <param name="IsConflict">True when both sides have changed it, and not to the same.</param>
public sealed record MergeEntry(ReadOnlyMemory<byte> Key, Entry? Base, Entry? Left, Entry? Right, bool IsConflict);

/// <summary>What one commit made of a key.</summary>
/// <param name="Side">Whose commit it is.</param>
/// <param name="Commit">The commit; its author is a device.</param>
/// <param name="Before">The entry below it; null when absent.</param>
/// <param name="After">What it wrote; null when it deleted the key.</param>
public sealed record KeyWrite(MergeSide Side, CommitInfo Commit, Entry? Before, Entry? After);
