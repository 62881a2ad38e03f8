using System.Buffers.Binary;
using Ledger.Runtime;

namespace Ledger.Objects.Segments;

/// <summary>A sorted, immutable index file: ids and row keys to log positions. Safe for concurrent reading.</summary>
/// <remarks>
/// Counted: a scan that began keeps the file open after the run was replaced. Every block is checked against its
/// checksum when it is read; damage is a <see cref="CorruptObjectException"/>.
/// </remarks>
internal sealed class Run : IDisposable
{
    private const int GuessesMax = 8;

    private readonly IFile _file;
    private readonly RunFooter _footer;
    private readonly Lock _gate = new();
    private byte[]? _filter; // Loaded by the first look-up.
    private int _uses = 1;

    private Run(IFile file, RunFooter footer)
    {
        _file = file;
        _footer = footer;
    }

    /// <summary>The run's number.</summary>
    public uint Number => _footer.Number;

    /// <summary>Number of objects.</summary>
    public long ObjectCount => _footer.ObjectCount;

    /// <summary>Length of the file.</summary>
    public long FileSizeBytes => _footer.FileSizeBytes;

    /// <summary>Opens a run, reading its footer only. It owns the file, also when it throws.</summary>
    /// <exception cref="CorruptObjectException">The file is not the run that the manifest lists.</exception>
    public static Run Open(IFile file, Guid storeId, RunEntry entry)
    {
        Run? run = null;
        try
        {
            var block = new byte[RunFormat.BlockSizeBytes];
            var offset = entry.SizeBytes - block.Length;
            if (offset < 0 || file.Length != entry.SizeBytes || file.ReadFully(offset, block) != block.Length)
            {
                throw new CorruptObjectException(
                    $"run {entry.Number} has {file.Length} bytes, the manifest says {entry.SizeBytes}");
            }

            var footer = RunFooter.DecodeBlock(block);
            var isListed = footer == footer with { StoreId = storeId, Number = entry.Number } &&
                footer.FileSizeBytes == entry.SizeBytes;
            run = isListed
                ? new Run(file, footer)
                : throw new CorruptObjectException($"run {entry.Number} is another store's or has another length");
            return run;
        }
        finally
        {
            if (run is null)
            {
                file.Dispose();
            }
        }
    }

    /// <summary>Keeps the file open until a matching <see cref="Dispose"/>.</summary>
    public Run Use()
    {
        lock (_gate)
        {
            _uses++;
        }

        return this;
    }

    /// <summary>Where an object is, or null. Blocks: call it offloaded.</summary>
    public ItemLocation? FindObject(ObjectId id)
    {
        if (_footer.ObjectCount == 0 || !MayContain(id))
        {
            return null;
        }

        Span<byte> block = stackalloc byte[RunFormat.BlockSizeBytes];
        Span<byte> hash = stackalloc byte[ObjectId.HashSizeBytes];
        id.CopyHashTo(hash);
        var share = BinaryPrimitives.ReadUInt32BigEndian(hash);
        long low = 0, high = _footer.ObjectBlocks - 1;
        var guess = BlocksFor(share);
        for (var step = 0; low <= high; step++)
        {
            // Ids are spread evenly, so a few guesses find the block; bisection bounds what an odd run may cost.
            var middle = step < GuessesMax ? Math.Clamp(guess, low, high) : (low + high) >>> 1;
            ReadBlock(middle, block);
            var first = Hash(block, 0);
            var count = ObjectsIn(middle);
            guess = middle + BlocksFor(share - (long)BinaryPrimitives.ReadUInt32BigEndian(first));
            if (hash.SequenceCompareTo(first) < 0)
            {
                high = middle - 1;
            }
            else if (hash.SequenceCompareTo(Hash(block, count - 1)) > 0)
            {
                low = middle + 1;
            }
            else
            {
                return FindInBlock(block, count, hash);
            }
        }

        return null;
    }

    /// <summary>Where a row is, or null. Blocks: call it offloaded.</summary>
    public ItemLocation? FindRow(byte[] key)
    {
        var block = FindRowBlock(key);
        return block < 0 ? null : DecodeRows(block).Find(row => row.Key.AsSpan().SequenceEqual(key))?.Location;
    }

    /// <summary>Objects, ascending by id. Blocks: call it offloaded.</summary>
    public IEnumerable<KeyValuePair<ObjectId, ItemLocation>> Objects()
    {
        var block = new byte[RunFormat.BlockSizeBytes];
        for (var index = 0L; index < _footer.ObjectBlocks; index++)
        {
            ReadBlock(index, block);
            for (var i = 0; i < ObjectsIn(index); i++)
            {
                yield return new(ObjectId.FromHash(Hash(block, i)), Location(block, i));
            }
        }
    }

    /// <summary>Number of blocks of rows.</summary>
    public long RowBlocks => _footer.RowBlocks;

    /// <summary>
    /// The last row block whose first key is not after a key; the first one when all are; -1 without rows.
    /// </summary>
    public long FindRowBlock(byte[] key)
    {
        long low = 0, high = _footer.RowBlocks;
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            var isAfter = DecodeRows(middle)[0].Key.AsSpan().SequenceCompareTo(key) > 0;
            (low, high) = isAfter ? (low, middle) : (middle + 1, high);
        }

        return _footer.RowBlocks == 0 ? -1 : Math.Max(0, low - 1);
    }

    /// <summary>The rows of one block, ascending by key. Blocks: call it offloaded.</summary>
    public List<IndexedRow> DecodeRows(long index)
    {
        var block = new byte[RunFormat.BlockSizeBytes];
        ReadBlock(_footer.ObjectBlocks + index, block);
        var reader = new ByteReader(block.AsSpan(0, RunFormat.PayloadSizeBytes), $"Run {Number}");
        var rows = new List<IndexedRow>();
        for (var left = reader.ReadUInt16(); left > 0; left--)
        {
            var key = reader.ReadSized(1, StoreLimits.RowKeySizeBytesMax, "the length of a row's key").ToArray();
            rows.Add(new IndexedRow(key, new ItemLocation((long)reader.ReadUInt64(), (int)reader.ReadUInt32())));
        }

        return rows.Count > 0 ? rows : throw reader.Corrupt("a block of rows is empty");
    }

    /// <summary>Rows, ascending by key. Blocks: call it offloaded.</summary>
    public IEnumerable<IndexedRow> Rows()
    {
        for (var index = 0L; index < _footer.RowBlocks; index++)
        {
            foreach (var row in DecodeRows(index))
            {
                yield return row;
            }
        }
    }

    /// <summary>Reads every block and checks its checksum. Blocks: call it offloaded.</summary>
    /// <exception cref="CorruptObjectException">A block is damaged.</exception>
    public void Verify()
    {
        var block = new byte[RunFormat.BlockSizeBytes];
        for (var index = 0L; index < _footer.FileSizeBytes / RunFormat.BlockSizeBytes; index++)
        {
            ReadBlock(index, block);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            if (--_uses > 0)
            {
                return;
            }
        }

        _file.Dispose();
    }

    private static ReadOnlySpan<byte> Hash(ReadOnlySpan<byte> block, int index) =>
        block.Slice(index * RunFormat.ObjectEntrySizeBytes, ObjectId.HashSizeBytes);

    private static ItemLocation Location(ReadOnlySpan<byte> block, int index)
    {
        var entry = block.Slice(index * RunFormat.ObjectEntrySizeBytes, RunFormat.ObjectEntrySizeBytes);
        return new ItemLocation(
            BinaryPrimitives.ReadInt64LittleEndian(entry[32..]), BinaryPrimitives.ReadInt32LittleEndian(entry[40..]));
    }

    private static ItemLocation? FindInBlock(ReadOnlySpan<byte> block, int count, ReadOnlySpan<byte> hash)
    {
        int low = 0, high = count;
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            var order = Hash(block, middle).SequenceCompareTo(hash);
            if (order == 0)
            {
                return Location(block, middle);
            }

            (low, high) = order < 0 ? (middle + 1, high) : (low, middle);
        }

        return null;
    }

    /// <summary>How many blocks a distance between ids, in their first 32 bits, is likely to span.</summary>
    private long BlocksFor(long distance) =>
        (long)((Int128)distance * _footer.ObjectCount >> 32) / RunFormat.ObjectsPerBlock;

    private int ObjectsIn(long block) => block + 1 < _footer.ObjectBlocks
        ? RunFormat.ObjectsPerBlock
        : (int)(_footer.ObjectCount - block * RunFormat.ObjectsPerBlock);

    private bool MayContain(ObjectId id)
    {
        Span<byte> mask = stackalloc byte[RunFormat.FilterLineSizeBytes];
        var line = RunFormat.FilterProbe(id, RunFormat.FilterLines(_footer.ObjectCount), mask);
        var bits = LoadFilter().AsSpan((int)(line * RunFormat.FilterLineSizeBytes), RunFormat.FilterLineSizeBytes);
        for (var i = 0; i < mask.Length; i++)
        {
            if ((bits[i] & mask[i]) != mask[i])
            {
                return false;
            }
        }

        return true;
    }

    private byte[] LoadFilter()
    {
        if (Volatile.Read(ref _filter) is { } loaded)
        {
            return loaded;
        }

        var filter = new byte[RunFormat.FilterLines(_footer.ObjectCount) * RunFormat.FilterLineSizeBytes];
        var block = new byte[RunFormat.BlockSizeBytes];
        const int BytesPerBlock = RunFormat.FilterLinesPerBlock * RunFormat.FilterLineSizeBytes;
        for (var index = 0L; index < _footer.FilterBlocks; index++)
        {
            ReadBlock(_footer.ObjectBlocks + _footer.RowBlocks + index, block);
            var from = (int)(index * BytesPerBlock);
            block.AsSpan(0, Math.Min(BytesPerBlock, filter.Length - from)).CopyTo(filter.AsSpan(from));
        }

        Volatile.Write(ref _filter, filter); // Two look-ups at once may both load it; the result is the same.
        return filter;
    }

    private void ReadBlock(long index, Span<byte> block)
    {
        int read;
        try
        {
            read = _file.ReadFully(index * RunFormat.BlockSizeBytes, block);
        }
        catch (IOException error)
        {
            throw new StoreUnavailableException(
                StoreUnavailableReason.InputOutput, $"The disk refused a read of run {Number}. {error.Message}", error);
        }

        if (read != block.Length || !RunFormat.BlockMatches(block))
        {
            throw new CorruptObjectException($"block {index} of run {Number} does not match its checksum");
        }
    }
}
