using System.Buffers.Binary;
using Ledger.Runtime;

namespace Ledger.Objects.Segments;

/// <summary>A sorted, immutable index file: ids and row keys to log positions. Safe for concurrent reading.</summary>
/// <remarks>
/// Counted: whoever reads it keeps the file open after the run was replaced. Every block is checked against its
/// checksum when it is read; damage is a <see cref="CorruptObjectException"/>. In memory it has nothing but its footer:
/// single blocks, those of the filter too, come through the cache; passes over the whole run read around it. All
/// members block: call them offloaded.
/// </remarks>
internal sealed class Run : IDisposable
{
    private const int GuessesMax = 8;
    private const int ReadAheadBlocks = 16;

    private readonly IFile _file;
    private readonly RunFooter _footer;
    private readonly BlockCache _cache;
    private int _uses = 1;
    private bool _isDamaged;

    private Run(IFile file, RunFooter footer, BlockCache cache)
    {
        (_file, _footer, _cache) = (file, footer, cache);
    }

    /// <summary>The run as the manifest lists it.</summary>
    public RunEntry Entry => new(_footer.Number, _footer.FileSizeBytes);

    /// <summary>True once a block of its objects, rows or ranges was damaged: no merge can read it.</summary>
    public bool IsDamaged => Volatile.Read(ref _isDamaged);

    /// <summary>Number of objects.</summary>
    public long ObjectCount => _footer.ObjectCount;

    /// <summary>Everything that the run says about rows.</summary>
    public RowSource AllRows => new(
        Rows(ReadAhead(_footer.FirstRowBlock, _footer.RowBlocks)),
        Boundaries(ReadAhead(_footer.FirstRangeBlock, _footer.RangeBlocks)));

    /// <summary>Opens a run, reading its footer only. It owns the file, also when it throws.</summary>
    /// <exception cref="CorruptObjectException">The file is not the run that the manifest lists.</exception>
    public static Run Open(IFile file, Guid storeId, RunEntry entry, BlockCache cache)
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
                ? new Run(file, footer, cache)
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
        Interlocked.Increment(ref _uses);
        return this;
    }

    /// <summary>Where an object is, or null.</summary>
    public ItemLocation? FindObject(ObjectId id)
    {
        Span<byte> hash = stackalloc byte[ObjectId.HashSizeBytes];
        id.CopyHashTo(hash);
        if (_footer.ObjectCount == 0 || !MayContain(hash))
        {
            return null;
        }

        var share = BinaryPrimitives.ReadUInt32BigEndian(hash);
        long low = 0, high = _footer.ObjectBlocks - 1;
        var guess = BlocksFor(share);
        for (var step = 0; low <= high; step++)
        {
            // Ids are spread evenly, so a few guesses find the block; bisection bounds what an odd run may cost.
            var middle = step < GuessesMax ? Math.Clamp(guess, low, high) : (low + high) >>> 1;
            var block = ReadCached(_footer.FirstObjectBlock + middle);
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

    /// <summary>The row with a key, removed or not, when the run says something about it; otherwise null.</summary>
    public IndexedRow? FindRow(byte[] key)
    {
        var block = FindBlock(key, _footer.FirstRowBlock, _footer.RowBlocks);
        if (block >= 0 && new RowBlock(ReadCached(block), _footer.Number).Find(key) is { } row)
        {
            return row;
        }

        block = FindBlock(key, _footer.FirstRangeBlock, _footer.RangeBlocks);
        var isRemoved = block >= 0 &&
            new RowBlock(ReadCached(block), _footer.Number).FindLast(key, out _) is not null;
        return isRemoved ? new IndexedRow(key, null) : null;
    }

    /// <summary>Objects, ascending by id.</summary>
    public IEnumerable<KeyValuePair<ObjectId, ItemLocation>> Objects()
    {
        var index = 0L;
        foreach (var block in ReadAhead(_footer.FirstObjectBlock, _footer.ObjectBlocks))
        {
            var count = ObjectsIn(index++);
            for (var i = 0; i < count; i++)
            {
                yield return new(ObjectId.FromHash(Hash(block.Span, i)), Location(block.Span, i));
            }
        }
    }

    /// <summary>What the run says about rows from a key on, and perhaps about a few before it.</summary>
    public RowSource RowsFrom(byte[] key) => new(
        Rows(ReadFrom(key, _footer.FirstRowBlock, _footer.RowBlocks)),
        Boundaries(ReadFrom(key, _footer.FirstRangeBlock, _footer.RangeBlocks)));

    /// <summary>Reads every block and checks its checksum.</summary>
    /// <exception cref="CorruptObjectException">A block is damaged.</exception>
    public void Verify()
    {
        foreach (var _ in ReadAhead(0, _footer.FileSizeBytes / RunFormat.BlockSizeBytes))
        {
            // Reading a block checks it.
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Decrement(ref _uses) == 0)
        {
            _file.Dispose();
        }
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

    private bool MayContain(ReadOnlySpan<byte> hash)
    {
        if (_footer.Version == 1)
        {
            return true; // Its filter has another order; the next merge makes a new one.
        }

        Span<byte> mask = stackalloc byte[RunFormat.FilterLineSizeBytes];
        var (block, line) = Math.DivRem(
            RunFormat.FilterProbe(hash, _footer.FilterLines, mask), RunFormat.FilterLinesPerBlock);
        if (TryReadFilter(block) is not { } filter)
        {
            return true; // Its objects can be looked through all the same; the next merge makes a new one.
        }

        var bits = filter.AsSpan((int)line * RunFormat.FilterLineSizeBytes, RunFormat.FilterLineSizeBytes);
        for (var i = 0; i < mask.Length; i++)
        {
            if ((bits[i] & mask[i]) != mask[i])
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>
    /// The last block of a part whose first key is not after a key; the first one when all are; -1 in an empty part.
    /// </summary>
    private long FindBlock(ReadOnlySpan<byte> key, long firstBlock, long count)
    {
        long low = 0, high = count;
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            var first = new RowBlock(ReadCached(firstBlock + middle), _footer.Number).FirstKey;
            (low, high) = first.SequenceCompareTo(key) > 0 ? (low, middle) : (middle + 1, high);
        }

        return count == 0 ? -1 : firstBlock + Math.Max(0, low - 1);
    }

    private IEnumerable<ReadOnlyMemory<byte>> ReadFrom(byte[] key, long firstBlock, long count)
    {
        var from = FindBlock(key, firstBlock, count);
        for (var block = from; block >= 0 && block < firstBlock + count; block++)
        {
            yield return ReadCached(block);
        }
    }

    private IEnumerable<IndexedRow> Rows(IEnumerable<ReadOnlyMemory<byte>> blocks) =>
        blocks.SelectMany(block => new RowBlock(block.Span, _footer.Number).Decode());

    private IEnumerable<RangeBoundary> Boundaries(IEnumerable<ReadOnlyMemory<byte>> blocks) =>
        Rows(blocks).Select(static entry => new RangeBoundary(entry.Key, entry.Location is not null));

    /// <summary>A block of the filter; null when it is damaged.</summary>
    private byte[]? TryReadFilter(long index)
    {
        try
        {
            return ReadCached(index);
        }
        catch (CorruptObjectException)
        {
            return null;
        }
    }

    private byte[] ReadCached(long index)
    {
        if (_cache.TryGet(_footer.Number, index) is { } known)
        {
            return known;
        }

        var block = new byte[RunFormat.BlockSizeBytes];
        Read(index, block);
        _cache.Add(_footer.Number, index, block);
        return block;
    }

    /// <summary>Blocks one after the other, each valid until the next, without the cache.</summary>
    private IEnumerable<ReadOnlyMemory<byte>> ReadAhead(long firstBlock, long count)
    {
        var buffer = new byte[Math.Min(count, ReadAheadBlocks) * RunFormat.BlockSizeBytes];
        for (var done = 0L; done < count; done += ReadAheadBlocks)
        {
            var part = (int)Math.Min(count - done, ReadAheadBlocks) * RunFormat.BlockSizeBytes;
            Read(firstBlock + done, buffer.AsSpan(0, part));
            for (var at = 0; at < part; at += RunFormat.BlockSizeBytes)
            {
                yield return buffer.AsMemory(at, RunFormat.BlockSizeBytes);
            }
        }
    }

    private void Read(long firstBlock, Span<byte> blocks)
    {
        int read;
        try
        {
            read = _file.ReadFully(firstBlock * RunFormat.BlockSizeBytes, blocks);
        }
        catch (Exception error) when (error.IsOfTheDisk)
        {
            throw new StoreUnavailableException(
                StoreUnavailableReason.InputOutput,
                $"The disk refused a read of run {_footer.Number}. {error.Message}", error);
        }

        for (var at = 0; at < blocks.Length; at += RunFormat.BlockSizeBytes)
        {
            if (at + RunFormat.BlockSizeBytes > read ||
                !RunFormat.BlockMatches(blocks.Slice(at, RunFormat.BlockSizeBytes)))
            {
                var isFilter = firstBlock + at / RunFormat.BlockSizeBytes < _footer.FirstObjectBlock;
                Volatile.Write(ref _isDamaged, IsDamaged || !isFilter);
                throw new CorruptObjectException(
                    $"block {firstBlock + at / RunFormat.BlockSizeBytes} of run {_footer.Number} does not match its " +
                    "checksum");
            }
        }
    }
}

/// <summary>The runs of a moment, newest first; keeps them open until the last who uses the set is done.</summary>
internal sealed class RunSet : IDisposable
{
    private readonly Run[] _runs;
    private int _uses = 1;

    /// <summary>Makes a set, which uses each of its runs.</summary>
    public RunSet(IEnumerable<Run> runs) => _runs = [.. runs.Select(static run => run.Use())];

    /// <summary>The runs, newest first.</summary>
    public ReadOnlySpan<Run> Span => _runs;

    /// <summary>The runs, newest first.</summary>
    public IReadOnlyList<Run> All => _runs;

    /// <summary>Keeps the set until a matching <see cref="Dispose"/>; by somebody who knows that it is kept.</summary>
    public RunSet Use()
    {
        Interlocked.Increment(ref _uses);
        return this;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Decrement(ref _uses) == 0)
        {
            foreach (var run in _runs)
            {
                run.Dispose();
            }
        }
    }
}
