namespace Ledger.Runtime;

/// <summary>A handle to contents in memory; several may be open on the same ones.</summary>
internal sealed class MemoryFile : IFile
{
    private readonly MemoryContent _content;
    private readonly string _path;
    private readonly bool _isWritable;
    private bool _isDisposed;

    /// <summary>Opens a handle.</summary>
    /// <param name="content">Counts this handle until it is disposed.</param>
    /// <param name="path">For messages only; the file may have been renamed since.</param>
    /// <param name="isWritable">False when it was opened for reading.</param>
    public MemoryFile(MemoryContent content, string path, bool isWritable)
    {
        (_content, _path, _isWritable) = (content, path, isWritable);
        content.AddHandle();
    }

    /// <inheritdoc/>
    public long Length
    {
        get
        {
            CheckOpen();
            return _content.Length;
        }
    }

    /// <inheritdoc/>
    public int Read(long offset, Span<byte> buffer)
    {
        CheckOpen();
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        return _content.Read(offset, buffer);
    }

    /// <inheritdoc/>
    public void Write(long offset, ReadOnlySpan<byte> content)
    {
        CheckWritable();
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        _content.Write(offset, content, _path);
    }

    /// <summary>Does nothing: memory has nothing more durable below it.</summary>
    public void Flush() => CheckOpen();

    /// <inheritdoc/>
    public void SetLength(long length)
    {
        CheckWritable();
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        _content.SetLength(length);
    }

    /// <inheritdoc/>
    public void Preallocate(long length)
    {
        CheckWritable();
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        _content.Preallocate(length, _path);
    }

    /// <summary>Closes the handle.</summary>
    public void Dispose()
    {
        if (!Interlocked.Exchange(ref _isDisposed, true))
        {
            _content.RemoveHandle();
        }
    }

    private void CheckOpen() => ObjectDisposedException.ThrowIf(_isDisposed, this);

    private void CheckWritable()
    {
        CheckOpen();
        if (!_isWritable)
        {
            throw new UnauthorizedAccessException($"The file '{_path}' was opened for reading only.");
        }
    }
}
