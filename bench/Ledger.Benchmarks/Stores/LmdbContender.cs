namespace Ledger.Benchmarks.Stores;

/// <summary>LMDB in process. A live read renews a reader's transaction; a held one keeps it.</summary>
internal sealed unsafe class LmdbContender : KeyValueStore
{
    private static readonly long MapSizeBytes = 16L << 30;
    private readonly nint _environment;
    private readonly uint _database;
    private readonly nint _live;
    private nint _held;

    /// <summary>Opens or makes the environment in a directory.</summary>
    public LmdbContender(string directory)
    {
        Directory.CreateDirectory(directory);
        LmdbNative.Check(LmdbNative.Create(out _environment));
        LmdbNative.Check(LmdbNative.SetMapSize(_environment, checked((nuint)MapSizeBytes)));
        LmdbNative.Check(LmdbNative.SetReadersMax(_environment, 16_384));
        LmdbNative.Check(LmdbNative.Open(_environment, directory, LmdbNative.ReadersNotTiedToThreads, 0x1A4));
        LmdbNative.Check(LmdbNative.Begin(_environment, 0, 0, out var transaction));
        LmdbNative.Check(LmdbNative.OpenDatabase(transaction, 0, LmdbNative.MakeDatabase, out _database));
        LmdbNative.Check(LmdbNative.Commit(transaction));
        LmdbNative.Check(LmdbNative.Begin(_environment, 0, LmdbNative.ReadOnly, out _live));
        LmdbNative.Reset(_live);
    }

    /// <inheritdoc/>
    public override string Name => "LMDB";

    /// <inheritdoc/>
    public override string Settings => "liblmdb in process; default flags (every commit is flushed), map of 16 GiB";

    /// <inheritdoc/>
    public override bool AllowsParallelWriters => false;

    /// <inheritdoc/>
    public override ValueTask PutAsync(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value)
    {
        LmdbNative.Check(LmdbNative.Begin(_environment, 0, 0, out var transaction));
        Put(transaction, key.Span, value.Span);
        LmdbNative.Check(LmdbNative.Commit(transaction));
        return default;
    }

    /// <inheritdoc/>
    public override ValueTask PutBatchAsync(EntryStream entries, int first, int count, int valueSeed = 0)
    {
        LmdbNative.Check(LmdbNative.Begin(_environment, 0, 0, out var transaction));
        for (var i = first; i < first + count; i++)
        {
            Put(transaction, entries.Key(i).Span, entries.Value(i + valueSeed).Span);
        }

        LmdbNative.Check(LmdbNative.Commit(transaction));
        return default;
    }

    /// <inheritdoc/>
    public override ValueTask<int> GetAsync(ReadOnlyMemory<byte> key)
    {
        LmdbNative.Check(LmdbNative.Renew(_live));
        var length = Get(_live, key.Span);
        LmdbNative.Reset(_live);
        return new ValueTask<int>(length);
    }

    /// <summary>Reads in a transaction that is kept open.</summary>
    public ValueTask<int> GetHeldAsync(ReadOnlyMemory<byte> key)
    {
        if (_held == 0)
        {
            LmdbNative.Check(LmdbNative.Begin(_environment, 0, LmdbNative.ReadOnly, out _held));
        }

        return new ValueTask<int>(Get(_held, key.Span));
    }

    /// <summary>Begins a reader's transaction, LMDB's snapshot.</summary>
    public nint BeginRead()
    {
        LmdbNative.Check(LmdbNative.Begin(_environment, 0, LmdbNative.ReadOnly, out var transaction));
        return transaction;
    }

    /// <summary>Ends a transaction.</summary>
    public static void EndRead(nint transaction) => LmdbNative.Abort(transaction);

    /// <inheritdoc/>
    public override ValueTask<long> ScanAsync(
        ReadOnlyMemory<byte>? start = null, ReadOnlyMemory<byte>? end = null, bool reverse = false)
    {
        LmdbNative.Check(LmdbNative.Begin(_environment, 0, LmdbNative.ReadOnly, out var transaction));
        LmdbNative.Check(LmdbNative.OpenCursor(transaction, _database, out var cursor));
        var count = 0L;
        LmdbValue key = default;
        LmdbValue value = default;
        fixed (byte* startBytes = start.GetValueOrDefault().Span)
        {
            if (start is { } from)
            {
                key.Data = startBytes;
                key.SizeBytes = (nuint)from.Length;
            }

            var begin = reverse ? LmdbNative.Last : start is null ? LmdbNative.First : LmdbNative.SetRange;
            var step = reverse ? LmdbNative.Previous : LmdbNative.Next;
            for (var status = LmdbNative.Move(cursor, &key, &value, begin);
                status == 0 && (end is not { } to || SpanOf(key).SequenceCompareTo(to.Span) < 0);
                status = LmdbNative.Move(cursor, &key, &value, step))
            {
                Touch(SpanOf(key));
                Touch(SpanOf(value));
                count++;
            }
        }

        LmdbNative.CloseCursor(cursor);
        LmdbNative.Abort(transaction);
        return new ValueTask<long>(count);
    }

    /// <inheritdoc/>
    public override ValueTask DisposeAsync()
    {
        LmdbNative.Abort(_live);
        if (_held != 0)
        {
            LmdbNative.Abort(_held);
        }

        LmdbNative.Close(_environment);
        return default;
    }

    private static ReadOnlySpan<byte> SpanOf(LmdbValue value) => new(value.Data, (int)value.SizeBytes);

    private int Get(nint transaction, ReadOnlySpan<byte> key)
    {
        fixed (byte* keyBytes = key)
        {
            var name = new LmdbValue { Data = keyBytes, SizeBytes = (nuint)key.Length };
            LmdbValue value = default;
            var status = LmdbNative.Get(transaction, _database, &name, &value);
            if (status == LmdbNative.NotFound)
            {
                return -1;
            }

            LmdbNative.Check(status);
            return Touch(SpanOf(value));
        }
    }

    private void Put(nint transaction, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        fixed (byte* keyBytes = key, valueBytes = value)
        {
            var name = new LmdbValue { Data = keyBytes, SizeBytes = (nuint)key.Length };
            var content = new LmdbValue { Data = valueBytes, SizeBytes = (nuint)value.Length };
            LmdbNative.Check(LmdbNative.Put(transaction, _database, &name, &content, 0));
        }
    }
}
