using System.Buffers;
using System.IO.Pipelines;
using Ledger.Runtime;

namespace Ledger.Objects;

/// <summary>What became of a value that was written.</summary>
/// <param name="Inline">The bytes, when the value is short enough to be kept in its entry; otherwise empty.</param>
/// <param name="Id">The object, or the root of the indexes; none when the value is inline.</param>
/// <param name="SizeBytes">Length of the value.</param>
internal readonly record struct WrittenValue(ReadOnlyMemory<byte> Inline, ObjectId Id, long SizeBytes)
{
    /// <summary>True when no object was written.</summary>
    public bool IsInline => Id.IsNone;
}

/// <summary>Writes values of any size into a lease, in bounded memory; equal bytes get equal ids.</summary>
/// <remarks>
/// Short values become nothing but bytes, longer ones one object, and from 64 KiB on chunks under indexes
/// (docs/formats/values.md). A value that fails leaves nothing behind but objects that nobody names. For one value at
/// a time.
/// </remarks>
/// <param name="runtime">Entered again after each read from a source that is not ours.</param>
/// <param name="chunker">The chunker of the ledger.</param>
/// <param name="objects">The lease that the objects are put into.</param>
/// <param name="inlineSizeBytesMax">Longest value given back instead of written; 0 for the empty one only.</param>
/// <param name="sizeBytesMax">Longest value that is taken; at most <see cref="ValueFormat.SizeBytesMax"/>.</param>
internal sealed class ValueWriter(
    LedgerRuntime runtime, ContentChunker chunker, IObjectWriter objects, int inlineSizeBytesMax, long sizeBytesMax)
{
    /// <summary>Read ahead of the chunker: twice the longest chunk, so that little is moved.</summary>
    private const int BufferSizeBytes = 2 * ValueFormat.ChunkSizeBytesMax;

    /// <summary>Writes a value that is in memory.</summary>
    /// <exception cref="ValueTooLargeException">It is longer than this writer takes.</exception>
    public async ValueTask<WrittenValue> WriteAsync(
        ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        CheckSize(content.Length);
        if (content.Length <= ValueFormat.SingleSizeBytesMax)
        {
            return await WriteShortAsync(content, cancellationToken);
        }

        var indexes = new ValueIndexBuilder(objects);
        var sizeBytes = content.Length;
        while (!content.IsEmpty)
        {
            content = content[await WriteChunkAsync(indexes, content, cancellationToken)..];
        }

        return new WrittenValue(default, await indexes.FinishAsync(cancellationToken), sizeBytes);
    }

    /// <summary>Writes what a stream holds from its position to its end; the stream stays open.</summary>
    /// <param name="content">Read in pieces of at most 512 KiB.</param>
    /// <param name="declaredSizeBytes">The size the caller expects, or null; at most one byte beyond is read.</param>
    /// <param name="cancellationToken">Ends the reading and the writing.</param>
    /// <exception cref="SizeMismatchException">The stream ends before the declared size or goes on.</exception>
    /// <exception cref="ValueTooLargeException">It is longer than this writer takes.</exception>
    public ValueTask<WrittenValue> WriteAsync(
        Stream content, long? declaredSizeBytes, CancellationToken cancellationToken) =>
        WriteAsync(new StreamSource(content), declaredSizeBytes, cancellationToken);

    /// <summary>Writes what a pipe holds to its end; the reader is neither completed nor cancelled.</summary>
    /// <param name="content">Read and examined in pieces of at most 512 KiB.</param>
    /// <param name="declaredSizeBytes">The size the caller expects, or null; at most one byte beyond is taken.</param>
    /// <param name="cancellationToken">Ends the reading and the writing.</param>
    /// <exception cref="SizeMismatchException">The pipe ends before the declared size, or goes on after it.</exception>
    /// <exception cref="ValueTooLargeException">It is longer than this writer takes.</exception>
    public ValueTask<WrittenValue> WriteAsync(
        PipeReader content, long? declaredSizeBytes, CancellationToken cancellationToken) =>
        WriteAsync(new PipeSource(content), declaredSizeBytes, cancellationToken);

    private async ValueTask<WrittenValue> WriteAsync(
        IContentSource source, long? declaredSizeBytes, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(declaredSizeBytes ?? 0, nameof(declaredSizeBytes));
        CheckSize(declaredSizeBytes ?? 0);
        var window = new ContentWindow(runtime, source, declaredSizeBytes, sizeBytesMax);
        try
        {
            await window.FillAsync(ValueFormat.SingleSizeBytesMax + 1, cancellationToken);
            if (window.Content.Length <= ValueFormat.SingleSizeBytesMax)
            {
                return await WriteShortAsync(window.Content, cancellationToken);
            }

            var indexes = new ValueIndexBuilder(objects);
            while (true)
            {
                await window.FillAsync(ValueFormat.ChunkSizeBytesMax, cancellationToken);
                if (window.Content.IsEmpty)
                {
                    break;
                }

                window.Drop(await WriteChunkAsync(indexes, window.Content, cancellationToken));
            }

            return new WrittenValue(default, await indexes.FinishAsync(cancellationToken), window.SizeBytes);
        }
        finally
        {
            window.Release();
        }
    }

    private async ValueTask<WrittenValue> WriteShortAsync(
        ReadOnlyMemory<byte> content, CancellationToken cancellationToken) =>
        content.Length == 0 || content.Length <= inlineSizeBytesMax
            ? new WrittenValue(content.ToArray(), default, content.Length)
            : new WrittenValue(
                default, await objects.PutAsync(ObjectKind.Value, content, cancellationToken), content.Length);

    private async ValueTask<int> WriteChunkAsync(
        ValueIndexBuilder indexes, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        var length = chunker.FindEnd(content.Span);
        var id = await objects.PutAsync(ObjectKind.Value, content[..length], cancellationToken);
        await indexes.AddAsync(new ValueChild(id, length), cancellationToken);
        return length;
    }

    private void CheckSize(long sizeBytes)
    {
        if (sizeBytes > sizeBytesMax)
        {
            throw new ValueTooLargeException(sizeBytes, sizeBytesMax);
        }
    }

    /// <summary>Where bytes come from.</summary>
    private interface IContentSource
    {
        /// <summary>Some of the next bytes; 0 only at the end.</summary>
        ValueTask<int> ReadAsync(Memory<byte> destination, CancellationToken cancellationToken);
    }

    private sealed class StreamSource(Stream stream) : IContentSource
    {
        public ValueTask<int> ReadAsync(Memory<byte> destination, CancellationToken cancellationToken) =>
            stream.ReadAsync(destination, cancellationToken);
    }

    private sealed class PipeSource(PipeReader reader) : IContentSource
    {
        public async ValueTask<int> ReadAsync(Memory<byte> destination, CancellationToken cancellationToken)
        {
            while (true)
            {
                var result = await reader.ReadAsync(cancellationToken);
                var taken = result.Buffer.Slice(0, Math.Min(result.Buffer.Length, destination.Length));
                taken.CopyTo(destination.Span);
                var length = (int)taken.Length;
                reader.AdvanceTo(taken.End);
                if (length > 0 || result.IsCompleted)
                {
                    return length;
                }

                if (result.IsCanceled)
                {
                    throw new OperationCanceledException("The pipe that a value is read from was cancelled.");
                }
            }
        }
    }

    /// <summary>The part of a source that was read and not yet cut; grows only when the value is not short.</summary>
    private sealed class ContentWindow(
        LedgerRuntime runtime, IContentSource source, long? declaredSizeBytes, long sizeBytesMax)
    {
        private byte[] _buffer = ArrayPool<byte>.Shared.Rent(ValueFormat.SingleSizeBytesMax + 1);
        private int _start;
        private int _end;
        private bool _isAtEnd;

        /// <summary>What was read and not dropped.</summary>
        public ReadOnlyMemory<byte> Content => _buffer.AsMemory(_start, _end - _start);

        /// <summary>Bytes read so far.</summary>
        public long SizeBytes { get; private set; }

        /// <summary>Forgets bytes at the front.</summary>
        public void Drop(int count) => _start += count;

        /// <summary>Reads until there are <paramref name="count"/> bytes or the source is at its end.</summary>
        public async ValueTask FillAsync(int count, CancellationToken cancellationToken)
        {
            if (_end - _start >= count || _isAtEnd)
            {
                return;
            }

            MakeRoom(count);
            while (_end - _start < count && !_isAtEnd)
            {
                // One byte more than may come, so that content that goes on too long is noticed.
                var wanted = Math.Min(_buffer.Length - _end, (declaredSizeBytes ?? sizeBytesMax) - SizeBytes + 1);
                var length = await source.ReadAsync(_buffer.AsMemory(_end, (int)wanted), cancellationToken);
                await runtime.Enter();
                _isAtEnd = length == 0;
                _end += length;
                SizeBytes += length;
                CheckSize();
            }
        }

        /// <summary>Gives the buffer back.</summary>
        public void Release()
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = [];
        }

        private void CheckSize()
        {
            if (declaredSizeBytes is { } declared && (_isAtEnd ? SizeBytes != declared : SizeBytes > declared))
            {
                throw new SizeMismatchException(declared, SizeBytes);
            }

            if (SizeBytes > sizeBytesMax)
            {
                throw new ValueTooLargeException(SizeBytes, sizeBytesMax);
            }
        }

        private void MakeRoom(int count)
        {
            if (_buffer.Length - _start >= count)
            {
                return;
            }

            var (old, content) = (_buffer, Content);
            if (old.Length < BufferSizeBytes && count > ValueFormat.SingleSizeBytesMax + 1)
            {
                _buffer = ArrayPool<byte>.Shared.Rent(BufferSizeBytes);
            }

            content.CopyTo(_buffer);
            (_start, _end) = (0, content.Length);
            if (old != _buffer)
            {
                ArrayPool<byte>.Shared.Return(old);
            }
        }
    }
}
