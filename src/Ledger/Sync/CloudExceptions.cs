using Ledger.Runtime;

namespace Ledger.Sync;

/// <summary>Why a cloud does not answer as it should.</summary>
public enum CloudProblem
{
    /// <summary>It cannot be reached, or the connection broke: what was asked may have been done, or not.</summary>
    Unreachable,

    /// <summary>It has no room, or the user has used up a share; what was asked was not done.</summary>
    Full,

    /// <summary>There is no cloud at the place.</summary>
    Missing,

    /// <summary>It is one of a newer version, or its own records cannot be understood.</summary>
    Unreadable,

    /// <summary>The cloud refuses this user.</summary>
    Denied,
}

/// <summary>A cloud could not do what was asked.</summary>
/// <param name="problem">Why.</param>
/// <param name="message">A full sentence.</param>
/// <param name="innerException">The medium's error, or null.</param>
public sealed class CloudUnavailableException(CloudProblem problem, string message, Exception? innerException = null)
    : LedgerException(message, innerException)
{
    /// <summary>Why.</summary>
    public CloudProblem Problem { get; } = problem;

    /// <summary>True where waiting helps: the cloud may come back, or have room again.</summary>
    public override bool IsTransient => Problem is CloudProblem.Unreachable or CloudProblem.Full;
}

/// <summary>The page's part of the feed does not end where the caller expected; nothing was appended.</summary>
/// <param name="page">The page.</param>
/// <param name="expectedEnd">Where it should have ended.</param>
/// <param name="actualEnd">Where it ends.</param>
internal sealed class FeedMovedException(PageName page, FeedPosition expectedEnd, FeedPosition actualEnd)
    : LedgerException($"The feed of page {page} ends at {actualEnd}, not at the expected {expectedEnd}.")
{
    /// <summary>Position of the page's last entry.</summary>
    public FeedPosition ActualEnd { get; } = actualEnd;

    /// <inheritdoc/>
    public override bool IsTransient => true;
}
