using System.Runtime.InteropServices;

namespace Ledger.Cli.Daemons;

/// <summary>What of POSIX the platform's library does not have; nothing of it on Windows.</summary>
internal static class Signals
{
    private const int Terminate = 15;
    private const int OwnerOnly = 0x3F;

    /// <summary>Leaves the terminal: neither its Ctrl-C nor its end reaches this process.</summary>
    public static void LeaveTerminal()
    {
        if (!OperatingSystem.IsWindows())
        {
            _ = setsid();
        }
    }

    /// <summary>Files that this process makes are its user's alone.</summary>
    public static void KeepFilesPrivate()
    {
        if (!OperatingSystem.IsWindows())
        {
            _ = umask(OwnerOnly);
        }
    }

    /// <summary>Asks a process to end; one, and never a group of them.</summary>
    /// <param name="processId">Its id, 1 or more.</param>
    /// <returns>False when it cannot be asked.</returns>
    public static bool AskToEnd(int processId) =>
        processId > 0 && !OperatingSystem.IsWindows() && kill(processId, Terminate) == 0;

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern int setsid();

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern int umask(int mask);

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern int kill(int processId, int signal);
}
