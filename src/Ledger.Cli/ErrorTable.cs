using Ledger.Objects;
using Ledger.Pages;
using Ledger.Runtime;

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

    private static CliException Of(LedgerException error) => error switch
    {
        StoreUnavailableException unavailable =>
            new(ExitCodes.Unavailable, error.Message, HintOf(unavailable.Reason), error),
        FormatTooNewException => new(ExitCodes.Unavailable, error.Message, "Nothing was changed.", error),
        OutcomeUnknownException =>
            new(ExitCodes.Unavailable, error.Message, "Look whether the write is there before you repeat it.", error),
        UnknownCommitException =>
            new(ExitCodes.NotFound, error.Message, "'ledger page log' lists the commits there are.", error),
        PageDeletedException => new(ExitCodes.NotFound, error.Message, null, error),
        PageMovedException => new(ExitCodes.Conflict, error.Message, "Run it again on the new state.", error),
        CorruptObjectException or MissingObjectException =>
            new(ExitCodes.Failed, error.Message, "'ledger verify' says what else is damaged.", error),
        _ => new(ExitCodes.Failed, error.Message, null, error),
    };

    private static string HintOf(StoreUnavailableReason reason) => reason switch
    {
        StoreUnavailableReason.DiskFull => "Free some space and run it again; nothing earlier is lost.",
        StoreUnavailableReason.Locked => "Only one process can have a repository open: end the other one first.",
        StoreUnavailableReason.ReadOnly => "'ledger verify' says what is damaged; reading still works.",
        StoreUnavailableReason.NotARepository => "Choose another directory with --data or LEDGER_DATA.",
        StoreUnavailableReason.Stopped or StoreUnavailableReason.InputOutput => "Check the disk, then run it again.",
        _ => "Run it again.",
    };
}
