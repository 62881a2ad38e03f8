using Ledger.Objects;
using Ledger.Rpc.V1;
using Ledger.Streams;
using Wire = Ledger.Rpc.V1;

namespace Ledger.Rpc;

/// <summary>The one table between exceptions, codes of gRPC and codes of HTTP; docs/wire.md shows it.</summary>
internal static class RpcErrors
{
    private const string Parameter = " (Parameter '";

    /// <summary>The status that a failed call ends with. What only the server should know is not in it.</summary>
    /// <param name="error">Why it failed.</param>
    /// <param name="store">The store that was asked, as its caller named it; null when there is none.</param>
    public static RpcException Of(Exception error, string? store = null) => error switch
    {
        RpcException known => known,
        EntryNotFoundException e => New(
            RpcCode.NotFound, e, new() { Kind = "entry_not_found", Stream = e.Stream, Id = e.Id.ToString() }),
        StreamNotFoundException e => New(RpcCode.NotFound, e, new() { Kind = "stream_not_found", Stream = e.Stream }),
        StreamExistsException e => New(RpcCode.AlreadyExists, e, new() { Kind = "stream_exists", Stream = e.Stream }),
        StreamConflictException e => New(RpcCode.Aborted, e, new()
        {
            Kind = "stream_conflict",
            Stream = e.Stream,
            ExpectedEnd = WireEntries.Of(e.Expected),
            Id = e.ActualEnd.ToString(),
        }),
        LeaseLostException e => New(RpcCode.Aborted, e, new()
        {
            Kind = "lease_lost",
            Consumer = e.Consumer,
            Epoch = e.Epoch,
            CurrentEpoch = e.CurrentEpoch,
        }),
        NotSupportedByStoreException e => New(RpcCode.Unimplemented, e, new()
        {
            Kind = "not_supported",
            Capability = WireEntries.Of(e.Capability).FirstOrDefault(),
        }),
        StoreUnavailableException e => new RpcException(
            CodeOf(e.Reason), SentenceOf(e.Reason, store),
            new() { Kind = "store_unavailable", Reason = e.Reason.ToString(), Store = store ?? "" }, e),
        OutcomeUnknownException e => new RpcException(
            RpcCode.Unknown, "The database went away during the commit: the change may have been made or not.",
            new() { Kind = "outcome_unknown" }, e),
        FormatTooNewException => New(RpcCode.FailedPrecondition, error),
        CorruptObjectException => new RpcException(RpcCode.DataLoss, "Stored data is damaged.", null, error),
        ArgumentException or FormatException => new RpcException(
            RpcCode.InvalidArgument, WithoutParameter(error.Message), null, error),
        ObjectDisposedException => new RpcException(RpcCode.Unavailable, "The server is stopping.", null, error),
        OperationCanceledException => new RpcException(RpcCode.Cancelled, "The call was cancelled.", null, error),
        _ => new RpcException(
            RpcCode.Internal, "The server failed; its log says more.", null, error),
    };

    /// <summary>What a store here would have thrown.</summary>
    /// <param name="error">The status that the server gave, or that stands for what became of the connection.</param>
    /// <param name="store">The store that was asked.</param>
    /// <param name="isChange">Whether it was asked for a change, which may have been made unheard.</param>
    public static Exception ToLocal(RpcException error, string store, bool isChange = false) =>
        error.Detail?.Kind switch
        {
            "entry_not_found" => new EntryNotFoundException(error.Detail.Stream, Id(error.Detail.Id)),
            "stream_not_found" => new StreamNotFoundException(store, error.Detail.Stream),
            "stream_exists" => new StreamExistsException(store, error.Detail.Stream),
            "stream_conflict" => new StreamConflictException(
                error.Detail.Stream, End(error.Detail.ExpectedEnd), Id(error.Detail.Id)),
            "lease_lost" => new LeaseLostException(
                error.Detail.Consumer, error.Detail.Epoch, error.Detail.CurrentEpoch),
            "not_supported" => new NotSupportedByStoreException(store, WireEntries.ToFlag(error.Detail.Capability)),
            "store_unavailable" => new StoreUnavailableException(
                Enum.TryParse<StoreUnavailableReason>(error.Detail.Reason, out var reason)
                    ? reason : StoreUnavailableReason.Unreachable,
                error.Message, error),
            "outcome_unknown" => new OutcomeUnknownException(error.Message, error),
            _ when isChange && (error.IsUnsure || error.Code == RpcCode.DeadlineExceeded) =>
                new OutcomeUnknownException($"{error.Message} The change may have been made or not.", error),
            _ => OfCode(error),
        };

    /// <summary>The code of HTTP for a status.</summary>
    public static int HttpStatusOf(RpcException error) =>
        error is { Code: RpcCode.ResourceExhausted, Detail.Reason: nameof(StoreUnavailableReason.DiskFull) }
            ? 507 : HttpStatusOf(error.Code);

    /// <summary>The code of HTTP for a code of gRPC.</summary>
    public static int HttpStatusOf(RpcCode code) => code switch
    {
        RpcCode.Ok => 200,
        RpcCode.Cancelled => 499,
        RpcCode.InvalidArgument or RpcCode.FailedPrecondition or RpcCode.OutOfRange => 400,
        RpcCode.DeadlineExceeded => 504,
        RpcCode.NotFound => 404,
        RpcCode.AlreadyExists or RpcCode.Aborted => 409,
        RpcCode.PermissionDenied => 403,
        RpcCode.ResourceExhausted => 429,
        RpcCode.Unimplemented => 501,
        RpcCode.Unavailable => 503,
        RpcCode.Unauthenticated => 401,
        _ => 500,
    };

    /// <summary>The code of gRPC for an answer that has only a code of HTTP, as the protocol says.</summary>
    public static RpcCode OfHttpStatus(int status) => status switch
    {
        400 => RpcCode.Internal,
        401 => RpcCode.Unauthenticated,
        403 => RpcCode.PermissionDenied,
        404 => RpcCode.Unimplemented,
        429 or 502 or 503 or 504 => RpcCode.Unavailable,
        _ => RpcCode.Unknown,
    };

    /// <summary>The code of gRPC for the code of a reset stream or a lost connection of HTTP/2.</summary>
    public static RpcCode OfHttp2Error(long code) => code switch
    {
        // Nothing wrong (the server goes away), or a connection that broke the rules, among which the platform counts
        // one that gave no sign in time.
        0 or 1 => RpcCode.Unavailable,
        7 => RpcCode.Unavailable,
        8 => RpcCode.Cancelled,
        11 => RpcCode.ResourceExhausted,
        12 => RpcCode.PermissionDenied,
        _ => RpcCode.Internal,
    };

    private static Exception OfCode(RpcException error) => error.Code switch
    {
        RpcCode.InvalidArgument => new ArgumentException(error.Message, error),
        RpcCode.Unavailable or RpcCode.DeadlineExceeded =>
            new StoreUnavailableException(StoreUnavailableReason.Unreachable, error.Message, error),
        _ => new RemoteLedgerException(error.Code, error.Message, error),
    };

    private static RpcException New(RpcCode code, Exception error, ErrorDetail? detail = null) =>
        new(code, error.Message, detail, error);

    // What the platform adds for programmers says nothing to a caller elsewhere.
    private static string WithoutParameter(string message)
    {
        var end = message.LastIndexOf(Parameter, StringComparison.Ordinal);
        return end < 0 ? message : message[..end];
    }

    private static RpcCode CodeOf(StoreUnavailableReason reason) => reason switch
    {
        StoreUnavailableReason.DiskFull => RpcCode.ResourceExhausted,
        StoreUnavailableReason.ReadOnly => RpcCode.FailedPrecondition,
        _ => RpcCode.Unavailable,
    };

    // Not the exception's own text: it has paths, hosts and words of the driver.
    private static string SentenceOf(StoreUnavailableReason reason, string? store) => reason switch
    {
        StoreUnavailableReason.DiskFull =>
            $"The disk of {(store is null ? "the database" : $"the store '{store}'")} is full: nothing was written. " +
            "Free some space there and send it again.",
        StoreUnavailableReason.Locked => "The database is locked by another writer.",
        StoreUnavailableReason.ReadOnly => "The database can only be read.",
        StoreUnavailableReason.Missing => "The database is not there.",
        StoreUnavailableReason.Unreachable => "The database cannot be reached.",
        StoreUnavailableReason.Denied => "The database may not be used by the daemon.",
        StoreUnavailableReason.NotARepository => "The database does not have what a store needs.",
        _ => "The database cannot be used.",
    };

    private static EntryId Id(string text) => EntryId.TryParse(text, null, out var id) ? id : default;

    private static Streams.ExpectedEnd End(Wire.ExpectedEnd? end) => end?.EndCase switch
    {
        Wire.ExpectedEnd.EndOneofCase.New => Streams.ExpectedEnd.New,
        Wire.ExpectedEnd.EndOneofCase.Id => Streams.ExpectedEnd.At(Id(end.Id)),
        _ => Streams.ExpectedEnd.Any,
    };
}
