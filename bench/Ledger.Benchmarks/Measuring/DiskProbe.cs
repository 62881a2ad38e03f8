using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Ledger.Benchmarks.Measuring;

/// <summary>What the disk can do at best: 4 KiB written into a preallocated file, then one fdatasync.</summary>
internal sealed partial class DiskProbe : IDisposable
{
    private const int BlockSizeBytes = 4096;
    private const long FileSizeBytes = 64L << 20;
    private const int DontNeed = 4;
    private readonly SafeFileHandle _handle;
    private readonly byte[] _block = new byte[BlockSizeBytes];
    private long _offset;

    /// <summary>Makes the file and writes all of it once, so that no block is first written under the clock.</summary>
    public DiskProbe(string directory, long sizeBytes = FileSizeBytes)
    {
        Directory.CreateDirectory(directory);
        _handle = File.OpenHandle(
            Path.Combine(directory, "probe"), FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None,
            FileOptions.DeleteOnClose, sizeBytes);
        var chunk = new byte[1 << 20];
        for (var offset = 0L; offset < sizeBytes; offset += chunk.Length)
        {
            RandomAccess.Write(_handle, chunk, offset);
        }

        Flush();
    }

    /// <summary>One write and one flush.</summary>
    public void WriteAndFlush()
    {
        _block[0]++;
        RandomAccess.Write(_handle, _block, _offset);
        _offset = (_offset + BlockSizeBytes) % (FileSizeBytes - BlockSizeBytes);
        Flush();
    }

    /// <summary>Writes a whole file's worth in blocks of 1 MiB and flushes once.</summary>
    public static void CopyAndFlush(string source, string target)
    {
        using var from = File.OpenHandle(source);
        using var to = File.OpenHandle(target, FileMode.CreateNew, FileAccess.Write);
        var buffer = new byte[1 << 20];
        var offset = 0L;
        int read;
        while ((read = RandomAccess.Read(from, buffer, offset)) > 0)
        {
            RandomAccess.Write(to, buffer.AsSpan(0, read), offset);
            offset += read;
        }

        RandomAccess.FlushToDisk(to);
    }

    /// <summary>Writes back and drops the cached contents of every file below a directory (Linux).</summary>
    public static void DropCache(string directory)
    {
        foreach (var path in Directory.EnumerateFiles(directory, "*", SearchOption.AllDirectories))
        {
            using var handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            _ = FDataSync(handle);
            _ = Advise(handle, 0, 0, DontNeed);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();

    private void Flush()
    {
        if (FDataSync(_handle) != 0)
        {
            throw new IOException($"The probe's file cannot be flushed (error {Marshal.GetLastPInvokeError()}).");
        }
    }

    [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
    private static partial int FDataSync(SafeFileHandle handle);

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int Advise(SafeFileHandle handle, nint offset, nint length, int advice);
}
