using Ledger.Runtime;

namespace Ledger.Objects;

/// <summary>Why a store cannot do what was asked.</summary>
public enum StoreUnavailableReason
{
    /// <summary>There is no space; works again when there is.</summary>
    DiskFull,

    /// <summary>Another process, or another part of this one, has the directory open.</summary>
    Locked,

    /// <summary>The store was opened for reading, or opened read-only because acknowledged data is damaged.</summary>
    ReadOnly,

    /// <summary>A flush failed earlier; nothing is written until the store is opened again.</summary>
    Stopped,

    /// <summary>The directory is not a repository.</summary>
    NotARepository,

    /// <summary>The medium refused, for another reason than space.</summary>
    InputOutput,

    /// <summary>It is not there, and was not to be made.</summary>
    Missing,

    /// <summary>The database's server is gone or takes no connections now; works again when it does.</summary>
    Unreachable,

    /// <summary>The system, or the database's server, lets this user not use it.</summary>
    Denied,
}

/// <summary>The store could not do what was asked; nothing was changed and nothing earlier is lost.</summary>
/// <param name="reason">Why.</param>
/// <param name="message">A full sentence.</param>
/// <param name="innerException">The platform's error, or null.</param>
public sealed class StoreUnavailableException(
    StoreUnavailableReason reason, string message, Exception? innerException = null)
    : LedgerException(message, innerException)
{
    /// <summary>Why.</summary>
    public StoreUnavailableReason Reason { get; } = reason;

    /// <inheritdoc/>
    public override bool IsTransient => Reason
        is StoreUnavailableReason.DiskFull or StoreUnavailableReason.Locked or StoreUnavailableReason.Unreachable;
}
