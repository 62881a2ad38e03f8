namespace Ledger.Cli;

/// <summary>What the process returns; scripts rely on each.</summary>
internal static class ExitCodes
{
    /// <summary>Done.</summary>
    public const int Done = 0;

    /// <summary>It was tried and failed: damaged data, malformed input, a problem that verify found.</summary>
    public const int Failed = 1;

    /// <summary>The command line itself is wrong; nothing was tried.</summary>
    public const int Usage = 2;

    /// <summary>The key, page, commit, file or repository is not there.</summary>
    public const int NotFound = 3;

    /// <summary>Somebody else changed the page meanwhile.</summary>
    public const int Conflict = 4;

    /// <summary>The repository cannot be used now, or not by this build: locked, full, read-only, too new.</summary>
    public const int Unavailable = 5;

    /// <summary>The operating system, a database or the daemon denied access.</summary>
    public const int Denied = 6;

    /// <summary>The terminal went away (SIGHUP).</summary>
    public const int HungUp = 129;

    /// <summary>Ctrl-C.</summary>
    public const int Interrupted = 130;

    /// <summary>The reader of standard output went away.</summary>
    public const int ClosedPipe = 141;

    /// <summary>Asked to end (SIGTERM).</summary>
    public const int Terminated = 143;
}
