namespace Ledger.Cli.Import;

/// <summary>Splits a stream into lines, in memory bounded by the longest line.</summary>
/// <param name="stream">Read to its end; not disposed.</param>
internal sealed class LineReader(Stream stream)
{
    private const int LineSizeBytesMax = 256 << 20;
    private byte[] _buffer = new byte[1 << 16];
    private int _start;
    private int _end;
    private bool _isAtEnd;

    /// <summary>Bytes taken from the stream so far.</summary>
    public long BytesRead { get; private set; }

    /// <summary>The next line without its end (LF or CR LF), valid until the next call; null at the end.</summary>
    /// <exception cref="CliException">The line is longer than 256 MiB.</exception>
    public async ValueTask<ReadOnlyMemory<byte>?> ReadAsync(CancellationToken cancellationToken)
    {
        var scanned = 0;
        while (true)
        {
            var length = _buffer.AsSpan(_start + scanned, _end - _start - scanned).IndexOf((byte)'\n');
            if (length >= 0)
            {
                return Take(scanned + length, terminatorLength: 1);
            }

            scanned = _end - _start;
            if (_isAtEnd)
            {
                return scanned == 0 ? (ReadOnlyMemory<byte>?)null : Take(scanned, terminatorLength: 0);
            }

            await FillAsync(cancellationToken);
        }
    }

    private ReadOnlyMemory<byte> Take(int length, int terminatorLength)
    {
        var line = _buffer.AsMemory(_start, length);
        _start += length + terminatorLength;
        return line.Span.EndsWith("\r"u8) ? line[..^1] : line;
    }

    private async ValueTask FillAsync(CancellationToken cancellationToken)
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            _end -= _start;
            _start = 0;
        }

        if (_end == _buffer.Length)
        {
            if (_buffer.Length >= LineSizeBytesMax)
            {
                throw new CliException(
                    ExitCodes.Failed, $"A line is longer than {LineSizeBytesMax} bytes.",
                    "Put a value of that size with 'ledger page put --file'.");
            }

            Array.Resize(ref _buffer, _buffer.Length * 2);
        }

        var read = await stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
        _end += read;
        BytesRead += read;
        _isAtEnd = read == 0;
    }
}
