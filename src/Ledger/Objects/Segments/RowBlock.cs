using System.Buffers.Binary;

namespace Ledger.Objects.Segments;

/// <summary>
/// A block of rows, or of the boundaries of removed ranges, as docs/formats/run.md defines them: what is in one that
/// was read and checked.
/// </summary>
/// <param name="payload">The block, checksum included.</param>
/// <param name="run">The run's number, for errors.</param>
internal readonly ref struct RowBlock(ReadOnlySpan<byte> payload, uint run)
{
    /// <summary>Length of an entry without its key and the key's length: position and length of the item.</summary>
    public const int LocationSizeBytes = sizeof(long) + sizeof(int);

    private readonly ReadOnlySpan<byte> _payload = payload[..RunFormat.PayloadSizeBytes];

    /// <summary>The first key.</summary>
    public ReadOnlySpan<byte> FirstKey
    {
        get
        {
            var reader = Open(out _);
            return ReadKey(ref reader);
        }
    }

    /// <summary>The entry with a key, or null.</summary>
    public IndexedRow? Find(byte[] key)
    {
        var found = FindLast(key, out var isEqual);
        return isEqual ? new IndexedRow(key, found) : null;
    }

    /// <summary>The location of the last entry whose key is not after a key; null also for a removed row.</summary>
    public ItemLocation? FindLast(ReadOnlySpan<byte> key, out bool isEqual)
    {
        isEqual = false;
        ItemLocation? last = null;
        var reader = Open(out var count);
        for (; count > 0; count--)
        {
            var order = ReadKey(ref reader).SequenceCompareTo(key);
            if (order > 0)
            {
                break;
            }

            last = ReadLocation(ref reader);
            isEqual = order == 0;
        }

        return last;
    }

    /// <summary>All entries, ascending by key.</summary>
    public List<IndexedRow> Decode()
    {
        var reader = Open(out var count);
        var rows = new List<IndexedRow>(count);
        for (; count > 0; count--)
        {
            var key = ReadKey(ref reader).ToArray();
            rows.Add(new IndexedRow(key, ReadLocation(ref reader)));
        }

        return rows;
    }

    private ByteReader Open(out int count)
    {
        var reader = new ByteReader(_payload, $"Run {run}");
        count = reader.ReadUInt16();
        return count > 0 ? reader : throw reader.Corrupt("a block of rows is empty");
    }

    private static ReadOnlySpan<byte> ReadKey(scoped ref ByteReader reader) =>
        reader.ReadSized(1, StoreLimits.RowKeySizeBytesMax, "the length of a row's key");

    private static ItemLocation? ReadLocation(ref ByteReader reader)
    {
        var bytes = reader.ReadBytes(LocationSizeBytes);
        var size = BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]);
        return size == 0 ? null : new ItemLocation(BinaryPrimitives.ReadInt64LittleEndian(bytes), size);
    }
}
