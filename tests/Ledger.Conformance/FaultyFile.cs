using Ledger.Runtime;

namespace Ledger.Conformance;

/// <summary>A handle to a file of the modelled disk.</summary>
internal sealed class FaultyFile : IFile
{
    private readonly FaultyFileSystem _files;
    private readonly bool _isWritable;
    private bool _isDisposed;

    public FaultyFile(FaultyFileSystem files, FaultyContent content, string path, bool isWritable)
    {
        (_files, Content, Path, _isWritable) = (files, content, path, isWritable);
        content.Handles++;
    }

    /// <summary>The file behind the handle.</summary>
    public FaultyContent Content { get; }

    /// <summary>The name it was opened by.</summary>
    public string Path { get; }

    public long Length
    {
        get
        {
            CheckOpen();
            return _files.LengthOf(this);
        }
    }

    public int Read(long offset, Span<byte> buffer)
    {
        CheckOpen();
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        return _files.Read(this, offset, buffer);
    }

    public void Write(long offset, ReadOnlySpan<byte> content)
    {
        CheckWritable();
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        _files.Write(this, offset, content);
    }

    public void Flush()
    {
        CheckOpen();
        _files.Flush(this);
    }

    public void SetLength(long length)
    {
        CheckWritable();
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        _files.SetLength(this, length);
    }

    public void Preallocate(long length)
    {
        CheckWritable();
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        _files.Preallocate(this, length);
    }

    public void Dispose()
    {
        if (!_isDisposed)
        {
            _isDisposed = true;
            _files.Close(this);
        }
    }

    private void CheckOpen() => ObjectDisposedException.ThrowIf(_isDisposed, this);

    private void CheckWritable()
    {
        CheckOpen();
        if (!_isWritable)
        {
            throw new UnauthorizedAccessException($"The file '{Path}' was opened for reading only.");
        }
    }
}
