namespace Ledger.Rpc;

/// <summary>How a call ended; the numbers are those of gRPC.</summary>
public enum RpcCode
{
    /// <summary>It was done.</summary>
    Ok = 0,

    /// <summary>The caller gave it up.</summary>
    Cancelled = 1,

    /// <summary>Nobody can say; a change may have been made or not.</summary>
    Unknown = 2,

    /// <summary>What was asked has no meaning, or is beyond a limit.</summary>
    InvalidArgument = 3,

    /// <summary>The time that the caller gave it was over.</summary>
    DeadlineExceeded = 4,

    /// <summary>What it names is not there.</summary>
    NotFound = 5,

    /// <summary>What it would make is there.</summary>
    AlreadyExists = 6,

    /// <summary>The caller may not do this.</summary>
    PermissionDenied = 7,

    /// <summary>A limit is reached.</summary>
    ResourceExhausted = 8,

    /// <summary>The state is not one in which this can be done.</summary>
    FailedPrecondition = 9,

    /// <summary>Another caller came first; look again and try anew.</summary>
    Aborted = 10,

    /// <summary>Beyond what is there.</summary>
    OutOfRange = 11,

    /// <summary>There is no such method, or the store does not support it.</summary>
    Unimplemented = 12,

    /// <summary>A fault of the server, or a peer that does not speak the protocol.</summary>
    Internal = 13,

    /// <summary>It cannot be done now; waiting may help.</summary>
    Unavailable = 14,

    /// <summary>Stored data is damaged.</summary>
    DataLoss = 15,

    /// <summary>The server does not know who calls.</summary>
    Unauthenticated = 16,
}
