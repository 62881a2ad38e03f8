using System.Buffers.Binary;

namespace Ledger.Simulation.Model;

/// <summary>What is known of a write.</summary>
internal enum WriteState
{
    /// <summary>Asked for, and not answered.</summary>
    Pending,

    /// <summary>Acknowledged: it must not be lost.</summary>
    Acknowledged,

    /// <summary>Refused in a way that says that nothing was changed: it must never be seen.</summary>
    Refused,

    /// <summary>The device died, or said that it does not know: it was done, or not.</summary>
    Unknown,
}

/// <summary>A put, or a delete of a key, that a device was asked for. Every put has a value of its own.</summary>
internal sealed class Write
{
    /// <summary>Longer values are objects of their own.</summary>
    public const int InlineSizeBytesMax = 512;

    /// <summary>Longer objects are cut, and then the model does not know their ids.</summary>
    public const int ObjectSizeBytesMax = 64 * 1024;

    private const int IdSizeBytes = 8;

    private byte[]? _value;

    /// <summary>1 or more; the value begins with it.</summary>
    public required long Id { get; init; }

    /// <summary>Number of the device.</summary>
    public required int Device { get; init; }

    /// <summary>Number of the page.</summary>
    public required int Page { get; init; }

    /// <summary>Number of the key; -1 for all of them.</summary>
    public required int Key { get; init; }

    /// <summary>Length of the value; -1 for a delete.</summary>
    public required int SizeBytes { get; init; }

    /// <summary>Fetched only when it is asked for.</summary>
    public bool IsLazy { get; init; }

    /// <summary>The transaction that it is in; null for a plain one.</summary>
    public TransactionModel? Transaction { get; init; }

    /// <summary>A write that this one replaces for sure, because it was seen before; 0 for none.</summary>
    public long Replaced { get; init; }

    /// <summary>Whether it takes a key away.</summary>
    public bool IsDelete => SizeBytes < 0;

    /// <summary>When it was asked for, on the run's counter of events.</summary>
    public required long Begun { get; set; }

    /// <summary>When it was answered, or its device died; the end of time before that.</summary>
    public long Ended { get; set; } = long.MaxValue;

    /// <summary>What is known of it.</summary>
    public WriteState State { get; set; }

    /// <summary>Acknowledged, and not on the disk for sure: power loss may take it.</summary>
    public bool IsFragile { get; set; }

    /// <summary>The value's bytes, never to be changed.</summary>
    public byte[] Value() => _value ??= ValueOf(Id, SizeBytes);

    /// <summary>The id in a value; 0 when it has none.</summary>
    public static long IdOf(ReadOnlySpan<byte> value) =>
        value.Length < IdSizeBytes ? 0 : BinaryPrimitives.ReadInt64LittleEndian(value);

    /// <summary>Whether these are this write's bytes.</summary>
    public bool Matches(ReadOnlySpan<byte> value) => value.Length == SizeBytes && value.SequenceEqual(Value());

    public override string ToString() =>
        $"write {Id} ({(IsDelete ? "delete" : $"put of {SizeBytes} bytes")} of key {Key} on page {Page} by device " +
        $"{Device}, {State}{(IsFragile ? ", buffered" : "")}, {Begun} to {Ended}" +
        $"{(Transaction is null ? "" : $", transaction {Transaction.Id}")})";

    private static byte[] ValueOf(long id, int sizeBytes)
    {
        var value = new byte[sizeBytes];
        BinaryPrimitives.WriteInt64LittleEndian(value, id);
        var state = (ulong)id * 0x9E3779B97F4A7C15;
        for (var index = IdSizeBytes; index < sizeBytes; index++)
        {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            value[index] = (byte)state;
        }

        return value;
    }
}

/// <summary>A transaction that a device was asked to commit.</summary>
/// <param name="id">Its number.</param>
internal sealed class TransactionModel(long id)
{
    /// <summary>Its number.</summary>
    public long Id { get; } = id;

    /// <summary>What it does, by key: the last write of each.</summary>
    public SortedDictionary<int, Write> Writes { get; } = [];

    /// <summary>Begins by removing everything.</summary>
    public bool Clears { get; set; }
}
