using System.Buffers.Binary;
using Ledger.Runtime;

namespace Ledger.Objects.Segments;

/// <summary>
/// Writes a run in one pass and in bounded memory: objects by id and beside them the filter, then rows and boundaries
/// by key, then the footer. Blocks.
/// </summary>
internal sealed class RunWriter
{
    private const int BufferBlocks = 16;

    private readonly IFile _file;
    private readonly Guid _storeId;
    private readonly uint _number;
    private readonly long _filterLines;
    private readonly BlockBuffer _filter;
    private readonly BlockBuffer _body;
    private int _used; // Payload bytes used in the block being filled.
    private int _entriesInBlock; // Rows or boundaries in it.
    private long _objectCount;
    private long _rowCount;
    private long _rowBlocks;
    private long _boundaryCount;
    private long _rangeBlocks;

    /// <summary>Begins a run.</summary>
    /// <param name="file">A new, empty file; stays the caller's.</param>
    /// <param name="storeId">The store.</param>
    /// <param name="number">The run's number.</param>
    /// <param name="objectCountMax">Objects that follow at most: the size of the filter depends on it.</param>
    public RunWriter(IFile file, Guid storeId, uint number, long objectCountMax)
    {
        (_file, _storeId, _number) = (file, storeId, number);
        _filterLines = RunFormat.FilterLines(objectCountMax);
        var footer = new RunFooter
        {
            StoreId = storeId,
            Number = number,
            FilterLines = _filterLines,
            Version = RunFormat.Version,
        };
        _filter = new BlockBuffer(file, 0, (int)Math.Min(footer.FilterBlocks, BufferBlocks));
        _body = new BlockBuffer(file, footer.FirstObjectBlock, BufferBlocks);
    }

    /// <summary>Adds an object; strictly ascending by id, all before the first row.</summary>
    public void AddObject(ObjectId id, ItemLocation location)
    {
        if (_used + RunFormat.ObjectEntrySizeBytes > RunFormat.PayloadSizeBytes)
        {
            EndBlock();
        }

        var entry = _body.Payload.Slice(_used, RunFormat.ObjectEntrySizeBytes);
        id.CopyHashTo(entry);
        BinaryPrimitives.WriteInt64LittleEndian(entry[32..], location.Position);
        BinaryPrimitives.WriteInt32LittleEndian(entry[40..], location.SizeBytes);
        _used += RunFormat.ObjectEntrySizeBytes;
        _objectCount++;
        AddToFilter(entry[..ObjectId.HashSizeBytes]);
    }

    /// <summary>Adds a row; strictly ascending by key, all behind the last object.</summary>
    public void AddRow(IndexedRow row)
    {
        _rowBlocks += AddEntry(row.Key, row.Location, isFirst: _rowCount == 0);
        _rowCount++;
    }

    /// <summary>Adds a boundary of removed ranges; strictly ascending by key, in turns, behind the last row.</summary>
    public void AddBoundary(RangeBoundary boundary)
    {
        // Where a range begins is an entry of length one, where it ends one of length zero.
        ItemLocation? location = boundary.Begins ? new ItemLocation(0, 1) : null;
        _rangeBlocks += AddEntry(boundary.Key, location, isFirst: _boundaryCount == 0);
        _boundaryCount++;
    }

    /// <summary>Ends the run and, unless a test forgets it, flushes it.</summary>
    public RunFooter Finish(PlantedBugs bugs)
    {
        EndBlock();
        var footer = new RunFooter
        {
            StoreId = _storeId,
            Number = _number,
            ObjectCount = _objectCount,
            RowCount = _rowCount,
            RowBlocks = _rowBlocks,
            BoundaryCount = _boundaryCount,
            RangeBlocks = _rangeBlocks,
            FilterLines = _filterLines,
            Version = RunFormat.Version,
        };
        while (_filter.NextBlock < footer.FilterBlocks)
        {
            _filter.EndBlock();
        }

        _filter.Write();
        _body.Write();
        _file.Write(footer.FileSizeBytes - RunFormat.BlockSizeBytes, footer.EncodeBlock());
        if (!bugs.HasFlag(PlantedBugs.SkipRunFlush))
        {
            _file.Flush();
        }

        return footer;
    }

    private void AddToFilter(ReadOnlySpan<byte> hash)
    {
        Span<byte> mask = stackalloc byte[RunFormat.FilterLineSizeBytes];
        var (block, line) = Math.DivRem(
            RunFormat.FilterProbe(hash, _filterLines, mask), RunFormat.FilterLinesPerBlock);
        while (_filter.NextBlock < block)
        {
            _filter.EndBlock();
        }

        var target = _filter.Payload.Slice(
            (int)line * RunFormat.FilterLineSizeBytes, RunFormat.FilterLineSizeBytes);
        for (var i = 0; i < mask.Length; i++)
        {
            target[i] |= mask[i];
        }
    }

    /// <summary>Adds an entry of a row block.</summary>
    /// <returns>Blocks that it began.</returns>
    private int AddEntry(byte[] key, ItemLocation? location, bool isFirst)
    {
        var size = ByteWriter.VarintSizeBytes((ulong)key.Length) + key.Length + RowBlock.LocationSizeBytes;
        var begins = isFirst || _used + size > RunFormat.PayloadSizeBytes;
        if (begins)
        {
            EndBlock();
            _used = sizeof(ushort);
        }

        var target = _body.Payload.Slice(_used, size);
        var at = 0;
        for (var length = (uint)key.Length; ; length >>= 7)
        {
            target[at++] = (byte)(length < 0x80 ? length : length | 0x80);
            if (length < 0x80)
            {
                break;
            }
        }

        key.CopyTo(target[at..]);
        BinaryPrimitives.WriteInt64LittleEndian(target[^12..], location?.Position ?? 0);
        BinaryPrimitives.WriteInt32LittleEndian(target[^4..], location?.SizeBytes ?? 0);
        _used += size;
        BinaryPrimitives.WriteUInt16LittleEndian(_body.Payload, (ushort)++_entriesInBlock);
        return begins ? 1 : 0;
    }

    private void EndBlock()
    {
        if (_used > 0)
        {
            _body.EndBlock();
            (_used, _entriesInBlock) = (0, 0);
        }
    }

    /// <summary>Gathers blocks that follow each other, and writes many at once.</summary>
    private sealed class BlockBuffer(IFile file, long firstBlock, int blocks)
    {
        private readonly byte[] _bytes = new byte[blocks * RunFormat.BlockSizeBytes];
        private int _complete;

        /// <summary>The block that is being filled.</summary>
        public long NextBlock { get; private set; } = firstBlock;

        /// <summary>Its payload, zero until it is filled.</summary>
        public Span<byte> Payload =>
            _bytes.AsSpan(_complete * RunFormat.BlockSizeBytes, RunFormat.PayloadSizeBytes);

        public void EndBlock()
        {
            RunFormat.SealBlock(_bytes.AsSpan(_complete * RunFormat.BlockSizeBytes, RunFormat.BlockSizeBytes));
            _complete++;
            NextBlock++;
            if (_complete * RunFormat.BlockSizeBytes == _bytes.Length)
            {
                Write();
            }
        }

        public void Write()
        {
            var size = _complete * RunFormat.BlockSizeBytes;
            if (size > 0)
            {
                file.Write((NextBlock - _complete) * RunFormat.BlockSizeBytes, _bytes.AsSpan(0, size));
                _bytes.AsSpan(0, size).Clear();
                _complete = 0;
            }
        }
    }
}
