using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Ledger.Runtime.Real;

/// <summary>The few calls of the C library that the base class library does not offer, and its error numbers.</summary>
/// <remarks>The numbers are those of <c>errno.h</c> and <c>fcntl.h</c> on Linux and macOS.</remarks>
internal static partial class Native
{
    private const int Interrupted = 4;
    private const int NoSpace = 28;
    private const int ReadOnlyMedium = 30;
    private const int ReadOnly = 0;
    private const int NoEntry = 2;
    private const int NameTaken = 17;
    private const int NotPermitted = 1;
    private const int TooManyLinks = 31;
    private const int NoSuchCall = 38;
    private const int CurrentDirectory = -100;
    private const int SharedLock = 1;
    private const int ExclusiveLock = 2;
    private const int DoNotWait = 4;
    private const uint NoReplace = 1;

    /// <summary>True when the system has POSIX calls.</summary>
    public static bool IsUnix => !OperatingSystem.IsWindows();

    private static int CloseOnExec => OperatingSystem.IsMacOS() ? 0x1000000 : 0x80000;

    private static int OverQuota => OperatingSystem.IsMacOS() ? 69 : 122;

    private static int NotSupported => OperatingSystem.IsMacOS() ? 102 : 95;

    private static int WouldBlock => OperatingSystem.IsMacOS() ? 35 : 11;

    /// <summary>True when the error says that the medium, or the user's share of it, is full.</summary>
    public static bool IsDiskFull(IOException exception) => IsUnix
        ? exception.HResult == NoSpace || exception.HResult == OverQuota
        : exception.HResult is unchecked((int)0x80070070) or unchecked((int)0x80070027);

    /// <summary>True when the error says that nothing can be written to the medium.</summary>
    public static bool IsReadOnlyMedium(IOException exception) => IsUnix
        ? exception.HResult == ReadOnlyMedium
        : exception.HResult == unchecked((int)0x80070013);

    /// <summary>True when the error says that another handle excludes this one.</summary>
    public static bool IsSharingViolation(IOException exception) => IsUnix
        ? exception.HResult == WouldBlock
        : exception.HResult is unchecked((int)0x80070020) or unchecked((int)0x80070021);

    /// <summary>Flushes a file's contents, and of its metadata only what reading them back needs (Linux).</summary>
    /// <exception cref="IOException">The flush failed; what was unwritten may be lost for good.</exception>
    public static void FlushData(SafeFileHandle handle, string path) =>
        ThrowOnError(Retry(handle, FDataSync), "flush the file", path);

    /// <summary>Flushes the names in a directory (Unix).</summary>
    /// <exception cref="IOException">The directory cannot be opened or flushed.</exception>
    public static void FlushDirectory(string path)
    {
        using var handle = Open(path, ReadOnly | CloseOnExec);
        ThrowOnError(handle.IsInvalid ? Marshal.GetLastPInvokeError() : 0, "open the directory", path);
        ThrowOnError(Retry(handle, FSync), "flush the directory", path);
    }

    /// <summary>Takes the lock of an open file (Unix); the end of the handle gives it back.</summary>
    /// <remarks>
    /// Opening a file for nobody else takes the same lock, but goes on without one where the file system cannot lock,
    /// or where the environment says that .NET should take none. Taking it once more changes nothing.
    /// </remarks>
    /// <returns>False when somebody else has it.</returns>
    /// <exception cref="IOException">The file system cannot lock.</exception>
    public static bool TryLock(SafeFileHandle handle, string path, bool isWritable)
    {
        var error = Retry(handle, static handle => FLock(handle, ExclusiveLock | DoNotWait));
        if (error != 0 && error != WouldBlock && !isWritable)
        {
            // Some shared file systems give that lock only to who may write. This one keeps writers out as well.
            error = Retry(handle, static handle => FLock(handle, SharedLock | DoNotWait));
        }

        if (error == WouldBlock)
        {
            return false;
        }

        ThrowOnError(error, "lock the file", path);
        return true;
    }

    /// <summary>Reserves room for the first <paramref name="length"/> bytes and grows the file to it (Linux).</summary>
    /// <returns>False when the file system cannot reserve.</returns>
    /// <exception cref="IOException">Failed; the length may have grown.</exception>
    public static bool TryReserve(SafeFileHandle handle, long length, string path)
    {
        int error;
        do
        {
            // Unlike the others this one returns its error number and leaves errno alone.
            error = FAllocate(handle, 0, checked((nint)length));
        }
        while (error == Interrupted);

        if (error == NotSupported)
        {
            return false;
        }

        ThrowOnError(error, "reserve room for the file", path);
        return true;
    }

    /// <summary>True when the error says that the name to be given is taken (Windows).</summary>
    public static bool IsNameTaken(IOException exception) =>
        exception.HResult is unchecked((int)0x80070050) or unchecked((int)0x800700B7);

    /// <summary>Gives a file another name, unless that is taken (Unix).</summary>
    /// <returns>False when it is taken.</returns>
    /// <remarks>
    /// A link, because every shared file system that can do this at all can do it with links; where there are none, the
    /// call that Linux has for it.
    /// </remarks>
    /// <exception cref="IOException">There is no such file or directory, or the system refused.</exception>
    public static bool TryRename(string source, string target)
    {
        var error = Link(source, target) == 0 ? 0 : Marshal.GetLastPInvokeError();
        if (error == 0)
        {
            ThrowOnError(Unlink(source) == 0 ? 0 : Marshal.GetLastPInvokeError(), "remove the old name", source);
            return true;
        }

        if (OperatingSystem.IsLinux() && (error is NotPermitted or TooManyLinks or NoSuchCall || error == NotSupported))
        {
            error = RenameAt2(CurrentDirectory, source, CurrentDirectory, target, NoReplace) == 0
                ? 0
                : Marshal.GetLastPInvokeError();
        }

        return error switch
        {
            0 => true,
            NameTaken => false,
            NoEntry when !File.Exists(source) =>
                throw new FileNotFoundException($"Cannot rename '{source}': there is no such file.", source),
            NoEntry => throw new DirectoryNotFoundException($"The directory of '{target}' does not exist."),
            NoSpace => throw new DiskFullException(target),
            _ => throw NewError(error, "rename the file", source),
        };
    }

    private static int Retry(SafeFileHandle handle, Func<SafeFileHandle, int> call)
    {
        while (call(handle) != 0)
        {
            var error = Marshal.GetLastPInvokeError();
            if (error != Interrupted)
            {
                return error;
            }
        }

        return 0;
    }

    private static void ThrowOnError(int error, string action, string path)
    {
        if (error != 0)
        {
            throw NewError(error, action, path);
        }
    }

    private static IOException NewError(int error, string action, string path) =>
        new($"Cannot {action} '{path}': {Marshal.GetPInvokeErrorMessage(error)}.", error);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial SafeFileHandle Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string source, string target);

    [LibraryImport("libc", EntryPoint = "unlink", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Unlink(string path);

    [LibraryImport("libc", EntryPoint = "renameat2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RenameAt2(
        int sourceDirectory, string source, int targetDirectory, string target, uint flags);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int FLock(SafeFileHandle handle, int operation);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int FSync(SafeFileHandle handle);

    [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
    private static partial int FDataSync(SafeFileHandle handle);

    [LibraryImport("libc", EntryPoint = "posix_fallocate")]
    private static partial int FAllocate(SafeFileHandle handle, nint offset, nint length);
}
