using System.Globalization;
using Ledger.Runtime;
using Ledger.Server.Configuration;

namespace Ledger.Server.Hosting;

/// <summary>At most one daemon works in a directory: it holds a lock there, and has its process id in a file.</summary>
/// <remarks>
/// Whether a daemon runs is what the lock says; the operating system lets go of it when the process ends, however it
/// ends. An id alone says nothing: after a crash another process may have it.
/// </remarks>
internal sealed class InstanceLock : IDisposable
{
    // What the platforms call a lock that somebody else has.
    private const int WouldBlockLinux = 11;
    private const int WouldBlockMac = 35;
    private const int SharingViolation = unchecked((int)0x80070020);

    private const int AttemptsMax = 5;

    private static readonly TimeSpan AttemptInterval = TimeSpan.FromMilliseconds(20);

    private static readonly LedgerRuntime Runtime = LedgerRuntime.CreateSystem();

    private readonly FileStream _lock;
    private readonly string _directory;

    private InstanceLock(FileStream @lock, string directory)
    {
        _lock = @lock;
        _directory = directory;
    }

    /// <summary>The socket that the daemon of a directory is asked at.</summary>
    public static string SocketOf(string directory) => Path.Combine(directory, "ledger.sock");

    /// <summary>Takes the lock and writes the process id.</summary>
    /// <returns>Null when another daemon has it.</returns>
    public static async Task<InstanceLock?> TryTakeAsync(string directory)
    {
        SecretFile.CreateDirectory(directory);
        var file = TryOpen(directory);
        for (var attempt = 1; file is null && attempt < AttemptsMax; attempt++)
        {
            // Whoever only asks whether a daemon runs has the lock for a moment too.
            await Runtime.Delay(AttemptInterval, CancellationToken.None);
            file = TryOpen(directory);
        }

        if (file is null)
        {
            return null;
        }

        SecretFile.Write(
            PidFileOf(directory), Environment.ProcessId.ToString(CultureInfo.InvariantCulture) + "\n");
        return new InstanceLock(file, directory);
    }

    /// <summary>The process id of the daemon that works in a directory; null when none does.</summary>
    public static int? FindRunning(string directory)
    {
        if (!File.Exists(LockFileOf(directory)))
        {
            return null;
        }

        using (var free = TryOpen(directory))
        {
            if (free is not null)
            {
                return null;
            }
        }

        return int.TryParse(
            File.Exists(PidFileOf(directory)) ? File.ReadAllText(PidFileOf(directory)).Trim() : "",
            NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : 0;
    }

    /// <summary>Waits until the daemon of a directory has ended.</summary>
    /// <param name="directory">The directory.</param>
    /// <param name="pid">Its process id.</param>
    /// <param name="bound">How long to wait.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>False when it still runs.</returns>
    public static async Task<bool> WaitForEndAsync(
        string directory, int pid, TimeSpan bound, CancellationToken cancellationToken)
    {
        var begin = Runtime.Time.GetTimestamp();
        while (FindRunning(directory) == pid)
        {
            if (Runtime.Time.GetElapsedTime(begin) > bound)
            {
                return false;
            }

            await Runtime.Delay(AttemptInterval, cancellationToken);
        }

        return true;
    }

    /// <summary>Removes the process id and lets go of the lock.</summary>
    public void Dispose()
    {
        // The lock's own file stays: another process may have it open, and would lock what nobody finds again.
        File.Delete(PidFileOf(_directory));
        _lock.Dispose();
    }

    private static string PidFileOf(string directory) => Path.Combine(directory, "ledger.pid");

    private static string LockFileOf(string directory) => Path.Combine(directory, "ledger.lock");

    private static FileStream? TryOpen(string directory)
    {
        try
        {
            return new FileStream(LockFileOf(directory), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException error) when (error.HResult is WouldBlockLinux or WouldBlockMac or SharingViolation)
        {
            return null;
        }
    }
}
