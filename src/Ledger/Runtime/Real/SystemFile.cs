using Microsoft.Win32.SafeHandles;

namespace Ledger.Runtime.Real;

/// <summary>A file of the operating system, read and written by position.</summary>
/// <param name="handle">Owned by this object.</param>
/// <param name="path">For messages only; the file may have been renamed since.</param>
/// <param name="isWritable">False when it was opened for reading.</param>
internal sealed class SystemFile(SafeFileHandle handle, string path, bool isWritable) : IFile
{
    /// <inheritdoc/>
    public long Length => RandomAccess.GetLength(handle);

    /// <inheritdoc/>
    public int Read(long offset, Span<byte> buffer) => RandomAccess.Read(handle, buffer, offset);

    /// <inheritdoc/>
    public void Write(long offset, ReadOnlySpan<byte> content)
    {
        CheckWritable();
        try
        {
            RandomAccess.Write(handle, content, offset);
        }
        catch (IOException exception) when (Native.IsDiskFull(exception))
        {
            throw new DiskFullException(path, exception);
        }
    }

    /// <inheritdoc/>
    public void Flush()
    {
        if (OperatingSystem.IsLinux())
        {
            // A write changes the modification time; flushing that too would cost a journal commit each time.
            Native.FlushData(handle, path);
        }
        else
        {
            RandomAccess.FlushToDisk(handle);
        }
    }

    /// <inheritdoc/>
    public void SetLength(long length)
    {
        CheckWritable();
        try
        {
            RandomAccess.SetLength(handle, length);
        }
        catch (IOException exception) when (Native.IsDiskFull(exception))
        {
            throw new DiskFullException(path, exception);
        }
    }

    /// <inheritdoc/>
    public void Preallocate(long length)
    {
        CheckWritable();
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        var before = Length;
        if (length == 0)
        {
            return;
        }

        try
        {
            // The C library's length type is 64 bits wide only where pointers are.
            var reserved = OperatingSystem.IsLinux() && Environment.Is64BitProcess
                && Native.TryReserve(handle, length, path);
            if (!reserved && length > before)
            {
                RandomAccess.SetLength(handle, length);
            }
        }
        catch (IOException exception) when (Native.IsDiskFull(exception))
        {
            // Some file systems grow the file as far as they got.
            if (Length > before)
            {
                RandomAccess.SetLength(handle, before);
            }

            throw new DiskFullException(path, exception);
        }
    }

    /// <summary>Closes the file without flushing it.</summary>
    public void Dispose() => handle.Dispose();

    private void CheckWritable()
    {
        if (!isWritable)
        {
            throw new UnauthorizedAccessException($"The file '{path}' was opened for reading only.");
        }
    }
}
