using System.Runtime.InteropServices;

namespace Ledger.Cli.Daemons;

/// <summary>What of POSIX the platform's library does not have; nothing of it on Windows.</summary>
internal static class Signals
{
    private const int Terminate = 15;
    private const int OwnerOnly = 0x3F;
    private const int MapThreshold = -3;
    private const int LargeBlockBytes = 1 << 20;

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

    /// <summary>What the database takes for a large entry goes back to the system when it is given back.</summary>
    /// <remarks>
    /// Otherwise glibc keeps it from the second one on, in a heap of each thread that had one. A system without this
    /// knob has another allocator, which decides for itself.
    /// </remarks>
    public static void ReturnLargeBlocks()
    {
        if (OperatingSystem.IsLinux())
        {
            try
            {
                _ = mallopt(MapThreshold, LargeBlockBytes);
            }
            catch (EntryPointNotFoundException)
            {
                // Not glibc.
            }
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
    private static extern int mallopt(int parameter, int value);

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern int kill(int processId, int signal);
}
