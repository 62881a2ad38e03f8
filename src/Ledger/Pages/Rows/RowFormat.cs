using System.Buffers.Binary;
using Ledger.Commits;
using Ledger.Objects;
using Ledger.Runtime;

namespace Ledger.Pages.Rows;

/// <summary>What the values of all rows have in common (docs/formats/rows.md).</summary>
internal static class RowFormat
{
    /// <summary>First byte of every row.</summary>
    public const byte Version = 1;

    /// <summary>A writer after the version.</summary>
    public static ByteWriter Begin()
    {
        var writer = new ByteWriter();
        writer.WriteByte(Version);
        return writer;
    }

    /// <summary>A reader after the version.</summary>
    /// <param name="content">The row's bytes.</param>
    /// <param name="what">The row, as a noun phrase with its article.</param>
    public static ByteReader Open(ReadOnlySpan<byte> content, string what)
    {
        var reader = new ByteReader(content, what);
        var version = reader.ReadByte();
        return version switch
        {
            Version => reader,
            > Version => throw new FormatTooNewException(
                $"{char.ToUpperInvariant(what[0])}{what[1..]}", version, Version),
            _ => throw reader.Corrupt($"its version is {version}"),
        };
    }

    /// <summary>Writes eight bytes, big-endian.</summary>
    public static void WriteTimestamp(ByteWriter writer, HybridTimestamp timestamp) =>
        BinaryPrimitives.WriteUInt64BigEndian(writer.Reserve(sizeof(ulong)), timestamp.Value);

    /// <summary>Reads eight bytes, big-endian.</summary>
    public static HybridTimestamp ReadTimestamp(ref ByteReader reader) =>
        new(BinaryPrimitives.ReadUInt64BigEndian(reader.ReadBytes(sizeof(ulong))));

    /// <summary>Reads an incarnation, 1 or more.</summary>
    public static uint ReadIncarnation(ref ByteReader reader) =>
        (uint)reader.ReadVarint(1, uint.MaxValue, "the incarnation");

    /// <summary>Reads a wall clock.</summary>
    public static long ReadMilliseconds(ref ByteReader reader) =>
        reader.ReadVarint(0, Authorship.WallClockMsMax, "the wall clock");
}
