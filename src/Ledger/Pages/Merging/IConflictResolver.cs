namespace Ledger.Pages.Merging;

/// <summary>Decides what a merge makes of the keys that both sides changed, or of any other key.</summary>
/// <remarks>
/// For implementors: the answer must follow from the context alone, so that every device makes the same merge. Safe
/// for concurrent calls: several pages may merge at once. The context is dead once the call has ended, was cancelled
/// or has timed out.
/// </remarks>
public interface IConflictResolver
{
    /// <summary>Names the resolver in explanations: at most 255 bytes of UTF-8.</summary>
    string Name { get; }

    /// <summary>Decides one merge. Keys it does not mention are merged by their newest writer.</summary>
    /// <param name="context">The three states, and where the answers go.</param>
    /// <param name="cancellationToken">
    /// Cancelled when the policy changes, when the time is up and when nobody uses the page any more.
    /// </param>
    /// <returns>Completes when every answer is given; what it throws is tried again later.</returns>
    Task ResolveAsync(MergeContext context, CancellationToken cancellationToken);
}
