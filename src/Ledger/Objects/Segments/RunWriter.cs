using System.Buffers.Binary;
using Ledger.Runtime;

namespace Ledger.Objects.Segments;

/// <summary>Writes a run in one pass: objects by id, then rows by key, then the filter and the footer.</summary>
internal sealed class RunWriter
{
    private const int BufferBlocks = 64;

    private readonly IFile _file;
    private readonly byte[] _buffer = new byte[BufferBlocks * RunFormat.BlockSizeBytes];
    private readonly byte[] _filter;
    private readonly long _filterLines;
    private int _block; // Blocks that are complete in the buffer.
    private int _used; // Payload bytes used in the block being filled.
    private int _rowsInBlock;
    private long _written;
    private long _objectCount;
    private long _rowCount;
    private long _rowBlocks;

    private RunWriter(IFile file, long objectCount)
    {
        _file = file;
        _filterLines = RunFormat.FilterLines(objectCount);
        _filter = new byte[_filterLines * RunFormat.FilterLineSizeBytes];
    }

    private Span<byte> Payload => _buffer.AsSpan(_block * RunFormat.BlockSizeBytes, RunFormat.PayloadSizeBytes);

    /// <summary>Writes and flushes a run.</summary>
    /// <param name="file">A new, empty file.</param>
    /// <param name="storeId">The store.</param>
    /// <param name="number">The run's number.</param>
    /// <param name="objectCount">How many objects follow: the size of the filter depends on it.</param>
    /// <param name="objects">Objects, strictly ascending by id.</param>
    /// <param name="rows">Rows, strictly ascending by key; none that was removed.</param>
    public static RunFooter Write(
        IFile file, Guid storeId, uint number, long objectCount,
        IEnumerable<KeyValuePair<ObjectId, ItemLocation>> objects, IEnumerable<IndexedRow> rows)
    {
        var writer = new RunWriter(file, objectCount);
        foreach (var (id, location) in objects)
        {
            writer.AddObject(id, location);
        }

        writer.EndBlock();
        foreach (var row in rows)
        {
            writer.AddRow(row.Key, row.Location!.Value);
        }

        writer.EndRowBlock();
        writer.AddFilter();
        Invariant.Check(writer._objectCount == objectCount);
        var footer = new RunFooter(storeId, number, writer._objectCount, writer._rowCount, writer._rowBlocks);
        writer.WriteBuffer();
        file.Write(writer._written, footer.EncodeBlock());
        file.Flush();
        return footer;
    }

    private void AddObject(ObjectId id, ItemLocation location)
    {
        if (_used + RunFormat.ObjectEntrySizeBytes > RunFormat.PayloadSizeBytes)
        {
            EndBlock();
        }

        var entry = Payload[_used..];
        id.CopyHashTo(entry);
        BinaryPrimitives.WriteInt64LittleEndian(entry[32..], location.Position);
        BinaryPrimitives.WriteInt32LittleEndian(entry[40..], location.SizeBytes);
        _used += RunFormat.ObjectEntrySizeBytes;
        _objectCount++;

        Span<byte> mask = stackalloc byte[RunFormat.FilterLineSizeBytes];
        var line = RunFormat.FilterProbe(id, _filterLines, mask);
        var target = _filter.AsSpan((int)(line * RunFormat.FilterLineSizeBytes), RunFormat.FilterLineSizeBytes);
        for (var i = 0; i < mask.Length; i++)
        {
            target[i] |= mask[i];
        }
    }

    private void AddRow(ReadOnlySpan<byte> key, ItemLocation location)
    {
        var size = ByteWriter.VarintSizeBytes((ulong)key.Length) + key.Length + 8 + 4;
        if (_used + size > RunFormat.PayloadSizeBytes)
        {
            EndRowBlock();
        }

        _used = _used == 0 ? sizeof(ushort) : _used;
        var writer = new ByteWriter(size);
        writer.WriteSized(key);
        writer.WriteUInt64((ulong)location.Position);
        writer.WriteUInt32((uint)location.SizeBytes);
        writer.WrittenSpan.CopyTo(Payload[_used..]);
        _used += size;
        _rowsInBlock++;
        _rowCount++;
    }

    private void EndRowBlock()
    {
        if (_rowsInBlock > 0)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(Payload, (ushort)_rowsInBlock);
            _rowsInBlock = 0;
            _rowBlocks++;
            EndBlock();
        }
    }

    private void AddFilter()
    {
        const int BytesPerBlock = RunFormat.FilterLinesPerBlock * RunFormat.FilterLineSizeBytes;
        for (var from = 0; from < _filter.Length; from += BytesPerBlock)
        {
            var part = _filter.AsSpan(from, Math.Min(BytesPerBlock, _filter.Length - from));
            part.CopyTo(Payload);
            _used = part.Length;
            EndBlock();
        }
    }

    private void EndBlock()
    {
        if (_used == 0)
        {
            return;
        }

        Payload[_used..].Clear();
        RunFormat.SealBlock(_buffer.AsSpan(_block * RunFormat.BlockSizeBytes, RunFormat.BlockSizeBytes));
        _used = 0;
        if (++_block == BufferBlocks)
        {
            WriteBuffer();
        }
    }

    private void WriteBuffer()
    {
        var size = _block * RunFormat.BlockSizeBytes;
        _file.Write(_written, _buffer.AsSpan(0, size));
        _written += size;
        _block = 0;
    }
}
