using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using Ledger.Runtime;
using Ledger.Server.Configuration;

namespace Ledger.Server.Hosting;

/// <summary>At most one daemon works in a directory: it holds a lock there, and has its process id in a file.</summary>
/// <remarks>
/// Whether a daemon runs is what the lock says; the operating system lets go of it when the process ends, however it
/// ends. An id alone says nothing: after a crash another process may have it. Whoever only asks takes a shared lock, so
/// that askers are in nobody's way but a start's, which tries again.
/// </remarks>
internal sealed class InstanceLock : IDisposable
{
    // What the platforms call a lock that somebody else has.
    private const int WouldBlockLinux = 11;
    private const int WouldBlockMac = 35;
    private const int SharingViolation = unchecked((int)0x80070020);

    private const int AttemptsMax = 5;
    private const int SettlingAttemptsMax = 50;

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

        // What a crash left is no id of ours, not even until ours is on disk.
        File.Delete(PidFileOf(directory));
        SecretFile.Write(
            PidFileOf(directory), Environment.ProcessId.ToString(CultureInfo.InvariantCulture) + "\n");
        return new InstanceLock(file, directory);
    }

    /// <summary>The process id of the daemon that works in a directory.</summary>
    /// <returns>Null when none does; 0 when one does and does not say its id, as while it starts or ends.</returns>
    public static async Task<int?> FindRunningAsync(string directory, CancellationToken cancellationToken)
    {
        var found = Find(directory);
        for (var attempt = 1; found == 0 && attempt < SettlingAttemptsMax; attempt++)
        {
            await Runtime.Delay(AttemptInterval, cancellationToken);
            found = Find(directory);
        }

        return found;
    }

    /// <summary>Whether an id is certainly the one of the daemon that works in a directory, so that it may be
    /// signalled.</summary>
    /// <remarks>
    /// The id is read twice, while the lock is held; and the process was there before the file was, as the one is that
    /// wrote it. One that got the id of a daemon that crashed came later.
    /// </remarks>
    public static async Task<bool> IsOwnAsync(string directory, int pid, CancellationToken cancellationToken)
    {
        if (pid < 1 || Find(directory) != pid)
        {
            return false;
        }

        await Runtime.Delay(AttemptInterval, cancellationToken);
        try
        {
            using var process = Process.GetProcessById(pid);
            return process.StartTime.ToUniversalTime() <= File.GetLastWriteTimeUtc(PidFileOf(directory))
                && Find(directory) == pid;
        }
        catch (Exception error) when (error is ArgumentException or InvalidOperationException or Win32Exception)
        {
            // It has ended, or is nobody's whom we may ask about.
            return false;
        }
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
        while (Find(directory) is { } now && (now == pid || now == 0))
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

    // One moment's answer: null for no daemon, 0 for one whose id is not there.
    private static int? Find(string directory)
    {
        try
        {
            using var free = new FileStream(
                LockFileOf(directory), FileMode.Open, FileAccess.Read, FileShare.Read);
            return null;
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (IOException error) when (IsHeld(error))
        {
            return int.TryParse(
                ReadPid(directory), NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : 0;
        }
    }

    private static string? ReadPid(string directory)
    {
        try
        {
            return File.ReadAllText(PidFileOf(directory)).Trim();
        }
        catch (IOException)
        {
            // It is being written, or was just removed.
            return null;
        }
    }

    private static bool IsHeld(IOException error) =>
        error.HResult is WouldBlockLinux or WouldBlockMac or SharingViolation;

    private static FileStream? TryOpen(string directory)
    {
        try
        {
            return new FileStream(LockFileOf(directory), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException error) when (IsHeld(error))
        {
            return null;
        }
    }
}
