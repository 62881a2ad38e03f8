namespace Ledger.Benchmarks.Stores;

/// <summary>RocksDB in process through its C interface.</summary>
internal sealed unsafe class RocksContender : KeyValueStore
{
    private const int NoCompression = 0;
    private const double BloomBitsPerKey = 10;
    private readonly nint _options;
    private readonly nint _tables;
    private readonly nint _cache;
    private readonly nint _writeOptions;
    private readonly nint _readOptions;
    private readonly nint _database;

    /// <summary>Opens or makes the database in a directory.</summary>
    public RocksContender(string directory, long cacheSizeBytes)
    {
        Directory.CreateDirectory(directory);
        _cache = RocksNative.CreateCache((nuint)cacheSizeBytes);
        _tables = RocksNative.CreateTables();
        RocksNative.SetBlockCache(_tables, _cache);
        RocksNative.SetFilterPolicy(_tables, RocksNative.CreateBloomFilter(BloomBitsPerKey));
        _options = RocksNative.CreateOptions();
        RocksNative.SetCreateIfMissing(_options, 1);
        RocksNative.SetCompression(_options, NoCompression);
        RocksNative.SetTables(_options, _tables);
        _writeOptions = RocksNative.CreateWriteOptions();
        RocksNative.SetSync(_writeOptions, 1);
        _readOptions = RocksNative.CreateReadOptions();
        _database = RocksNative.Open(_options, directory, out var error);
        RocksNative.Check(error);
    }

    /// <inheritdoc/>
    public override string Name => "RocksDB";

    /// <inheritdoc/>
    public override string Settings =>
        "librocksdb 7.8 in process; sync=1, bloom filter of 10 bits, no compression (nobody compresses), " +
        "the rest as it comes (write buffer of 64 MiB)";

    /// <inheritdoc/>
    public override ValueTask PutAsync(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value)
    {
        fixed (byte* keyBytes = key.Span, valueBytes = value.Span)
        {
            RocksNative.Put(
                _database, _writeOptions, keyBytes, (nuint)key.Length, valueBytes, (nuint)value.Length, out var error);
            RocksNative.Check(error);
        }

        return default;
    }

    /// <inheritdoc/>
    public override ValueTask PutBatchAsync(EntryStream entries, int first, int count, int valueSeed = 0)
    {
        var batch = RocksNative.CreateBatch();
        for (var i = first; i < first + count; i++)
        {
            var key = entries.Key(i).Span;
            var value = entries.Value(i + valueSeed).Span;
            fixed (byte* keyBytes = key, valueBytes = value)
            {
                RocksNative.BatchPut(batch, keyBytes, (nuint)key.Length, valueBytes, (nuint)value.Length);
            }
        }

        RocksNative.Write(_database, _writeOptions, batch, out var error);
        RocksNative.DestroyBatch(batch);
        RocksNative.Check(error);
        return default;
    }

    /// <inheritdoc/>
    public override ValueTask<int> GetAsync(ReadOnlyMemory<byte> key)
    {
        fixed (byte* keyBytes = key.Span)
        {
            var slice = RocksNative.GetPinned(_database, _readOptions, keyBytes, (nuint)key.Length, out var error);
            RocksNative.Check(error);
            if (slice == 0)
            {
                return new ValueTask<int>(-1);
            }

            var value = RocksNative.PinnedValue(slice, out var size);
            var length = Touch(new ReadOnlySpan<byte>(value, (int)size));
            RocksNative.DestroyPinned(slice);
            return new ValueTask<int>(length);
        }
    }

    /// <inheritdoc/>
    public override ValueTask<long> ScanAsync(
        ReadOnlyMemory<byte>? start = null, ReadOnlyMemory<byte>? end = null, bool reverse = false)
    {
        var iterator = RocksNative.CreateIterator(_database, _readOptions);
        fixed (byte* startBytes = start.GetValueOrDefault().Span)
        {
            if (start is { } from)
            {
                RocksNative.Seek(iterator, startBytes, (nuint)from.Length);
            }
            else if (reverse)
            {
                RocksNative.SeekToLast(iterator);
            }
            else
            {
                RocksNative.SeekToFirst(iterator);
            }
        }

        var count = 0L;
        while (RocksNative.IsValid(iterator) != 0)
        {
            var key = RocksNative.Key(iterator, out var keySize);
            var keySpan = new ReadOnlySpan<byte>(key, (int)keySize);
            if (end is { } to && keySpan.SequenceCompareTo(to.Span) >= 0)
            {
                break;
            }

            var value = RocksNative.Value(iterator, out var valueSize);
            Touch(keySpan);
            Touch(new ReadOnlySpan<byte>(value, (int)valueSize));
            count++;
            if (reverse)
            {
                RocksNative.Previous(iterator);
            }
            else
            {
                RocksNative.Next(iterator);
            }
        }

        RocksNative.DestroyIterator(iterator);
        return new ValueTask<long>(count);
    }

    /// <inheritdoc/>
    public override ValueTask CompactAsync()
    {
        RocksNative.Compact(_database, null, 0, null, 0);
        return default;
    }

    /// <inheritdoc/>
    public override ValueTask DisposeAsync()
    {
        RocksNative.Close(_database);
        RocksNative.DestroyReadOptions(_readOptions);
        RocksNative.DestroyWriteOptions(_writeOptions);
        RocksNative.DestroyOptions(_options);
        RocksNative.DestroyTables(_tables);
        RocksNative.DestroyCache(_cache);
        return default;
    }
}
