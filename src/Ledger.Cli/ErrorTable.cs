using Ledger.Objects;
using Ledger.Pages;
using Ledger.Rpc;
using Ledger.Runtime;
using Ledger.Server.Configuration;
using Ledger.Server.Hosting;
using Ledger.Streams;
using Ledger.Sync;

namespace Ledger.Cli;

/// <summary>The one place where an error becomes an exit code, a sentence and a hint.</summary>
internal static class ErrorTable
{
    /// <summary>What to report, or null when the error is a fault of this program and must not be dressed up.</summary>
    public static CliException? Find(Exception error) => error switch
    {
        CliException known => known,
        LedgerException ledger => Of(ledger),
        FileNotFoundException or DirectoryNotFoundException =>
            new(ExitCodes.NotFound, error.Message, "Check the path."),
        UnauthorizedAccessException =>
            new(ExitCodes.Denied, error.Message, "Check that it is a file, and who owns it."),
        DiskFullException => new(ExitCodes.Unavailable, error.Message, "Free some space and run it again."),
        IOException => new(ExitCodes.Failed, error.Message),
        _ => null,
    };

    /// <summary>What to report of a database that streams are kept in.</summary>
    public static CliException OfDatabase(StoreUnavailableException error) => error.Reason switch
    {
        StoreUnavailableReason.Missing => new(
            ExitCodes.NotFound, error.Message,
            "Choose another with --db and --store; a first 'ledger stream append' makes one.", error),
        StoreUnavailableReason.Locked =>
            new(ExitCodes.Unavailable, error.Message, "Somebody else is writing to it: run it again.", error),
        StoreUnavailableReason.ReadOnly =>
            new(ExitCodes.Unavailable, error.Message, "Check who may write to it and to its directory.", error),
        StoreUnavailableReason.NotARepository =>
            new(ExitCodes.Unavailable, error.Message, "Choose another with --db, or another --store.", error),
        StoreUnavailableReason.InputOutput =>
            new(ExitCodes.Unavailable, error.Message, "Check the path and the disk, then run it again.", error),
        _ => Of(error),
    };

    private static CliException Of(LedgerException error) => error switch
    {
        RemoteLedgerException remote => OfRemote(remote),
        ConfigurationException => new(
            ExitCodes.Failed, error.Message, "Correct it there; 'ledger start --help' says where it is.", error),
        DaemonException => new(
            ExitCodes.Unavailable, error.Message, "Choose another address, or end what has it.", error),
        StoreUnavailableException { Reason: StoreUnavailableReason.Denied } =>
            new(ExitCodes.Denied, error.Message, "Check who may use it.", error),
        StoreUnavailableException unavailable =>
            new(ExitCodes.Unavailable, error.Message, HintOf(unavailable.Reason), error),
        FormatTooNewException => new(ExitCodes.Unavailable, error.Message, "Nothing was changed.", error),
        OutcomeUnknownException =>
            new(ExitCodes.Unavailable, error.Message, "Look whether the write is there before you repeat it.", error),
        UnknownCommitException =>
            new(ExitCodes.NotFound, error.Message, "'ledger page log' lists the commits there are.", error),
        PageDeletedException => new(ExitCodes.NotFound, error.Message, null, error),
        PageMovedException => new(ExitCodes.Conflict, error.Message, "Run it again on the new state.", error),
        EntryNotFoundException =>
            new(ExitCodes.NotFound, error.Message, "'ledger stream read' lists the entries there are.", error),
        StreamNotFoundException =>
            new(ExitCodes.NotFound, error.Message, "'ledger stream list' lists the streams there are.", error),
        StreamExistsException => new(ExitCodes.Conflict, error.Message, "Choose another name.", error),
        StreamConflictException =>
            new(ExitCodes.Conflict, error.Message, "Read what was appended, then decide again.", error),
        LeaseLostException => new(ExitCodes.Conflict, error.Message, "Another instance goes on with it.", error),
        NotSupportedByStoreException => new(ExitCodes.Failed, error.Message, "Use a store that does.", error),
        CloudUnavailableException cloud => OfCloud(cloud),
        SyncBlockedException => new(
            ExitCodes.Conflict, error.Message, "Nothing here is lost; 'ledger sync status' says how it stands.", error),
        CorruptObjectException or MissingObjectException =>
            new(ExitCodes.Failed, error.Message, "'ledger verify' says what else is damaged.", error),
        _ => new(ExitCodes.Failed, error.Message, null, error),
    };

    private static CliException OfRemote(RemoteLedgerException error) => error.Code switch
    {
        RpcCode.Unauthenticated => new(
            ExitCodes.Denied, error.Message, "Give --api-key or LEDGER_API_KEY; 'ledger key add' makes one.", error),
        RpcCode.PermissionDenied =>
            new(ExitCodes.Denied, error.Message, "'ledger key list' says what each key may do.", error),
        RpcCode.ResourceExhausted => new(ExitCodes.Unavailable, error.Message, "Run it again later.", error),
        _ => new(ExitCodes.Failed, error.Message, "The daemon's log says more.", error),
    };

    private static CliException OfCloud(CloudUnavailableException error) => error.Problem switch
    {
        CloudProblem.Missing => new(
            ExitCodes.NotFound, error.Message, "Is it mounted? --cloud names another place.", error),
        CloudProblem.Denied => new(ExitCodes.Denied, error.Message, "Check who may use it.", error),
        CloudProblem.Full => new(ExitCodes.Unavailable, error.Message, "Free some space and run it again.", error),
        _ => new(ExitCodes.Unavailable, error.Message, "Nothing here is lost: run it again when it is back.", error),
    };

    private static string HintOf(StoreUnavailableReason reason) => reason switch
    {
        StoreUnavailableReason.DiskFull => "Free some space and run it again; nothing earlier is lost.",
        StoreUnavailableReason.Locked => "Only one process can have a repository open: end the other one first.",
        StoreUnavailableReason.ReadOnly => "'ledger verify' says what is damaged; reading still works.",
        StoreUnavailableReason.NotARepository => "Choose another directory with --data or LEDGER_DATA.",
        StoreUnavailableReason.Unreachable => "Check that its server runs, and the address.",
        StoreUnavailableReason.Stopped or StoreUnavailableReason.InputOutput => "Check the disk, then run it again.",
        _ => "Run it again.",
    };
}
