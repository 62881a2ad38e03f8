using Ledger.Objects;
using Ledger.Trees;

namespace Ledger.Commits;

/// <summary>The canonical bytes of change lists and their indexes, as docs/formats/changes.md defines them.</summary>
internal static class ChangeListCodec
{
    /// <summary>First byte of every list and index.</summary>
    public const byte Version = 1;

    /// <summary>A list that is no larger stands alone.</summary>
    public const int LoneListSizeBytesMax = 256 * 1024;

    /// <summary>Largest list under an index.</summary>
    public const int ListSizeBytesMax = 64 * 1024;

    /// <summary>Largest index.</summary>
    public const int IndexSizeBytesMax = 256 * 1024;

    /// <summary>Most children of an index.</summary>
    public const int IndexChildrenMax = 1000;

    /// <summary>Highest level of an index.</summary>
    public const int LevelMax = 8;

    /// <summary>Bytes before the first change of a list.</summary>
    public const int ListHeaderSizeBytes = 1;

    /// <summary>Bytes before the first child of an index.</summary>
    public const int IndexHeaderSizeBytes = 2;

    /// <summary>Most changes of one commit.</summary>
    public const long CountMax = 1L << 48;

    private const byte DeleteFlag = 4;

    /// <summary>Writes one change.</summary>
    public static void WriteChange(ByteWriter writer, in TreeChange change)
    {
        writer.WriteSized(change.Key.Span);
        if (change.Value is { } value)
        {
            NodeFormat.WriteTail(writer, value);
        }
        else
        {
            writer.WriteByte(DeleteFlag);
        }
    }

    /// <summary>Reads one change; its key and value are views of <paramref name="source"/>.</summary>
    /// <param name="reader">At the change.</param>
    /// <param name="source">The memory that <paramref name="reader"/> reads.</param>
    public static TreeChange ReadChange(ref ByteReader reader, ReadOnlyMemory<byte> source)
    {
        var key = ReadKey(ref reader, source);
        if (reader.Remaining > 0 && source.Span[reader.Position] == DeleteFlag)
        {
            reader.ReadByte();
            return new TreeChange(key, null);
        }

        return new TreeChange(key, NodeFormat.ReadLeafTail(ref reader, source));
    }

    /// <summary>Reads a list.</summary>
    /// <param name="content">The object's bytes; keys and values are views of them.</param>
    /// <param name="what">What it is, for the error.</param>
    /// <returns>One change or more, ascending by key.</returns>
    public static List<TreeChange> DecodeList(ReadOnlyMemory<byte> content, string what = "a change list")
    {
        var reader = new ByteReader(content.Span, what);
        if (content.Length > LoneListSizeBytesMax)
        {
            throw reader.Corrupt($"it has {content.Length} bytes, more than {LoneListSizeBytesMax}");
        }

        ReadVersion(ref reader);
        var changes = new List<TreeChange>();
        do
        {
            var change = ReadChange(ref reader, content);
            if (changes.Count > 0 && changes[^1].Key.Span.SequenceCompareTo(change.Key.Span) >= 0)
            {
                throw reader.Corrupt("its keys are not ascending");
            }

            changes.Add(change);
        }
        while (reader.Remaining > 0);

        return changes;
    }

    /// <summary>Writes an index.</summary>
    /// <param name="level">1 when the children are lists.</param>
    /// <param name="children">One or more, ascending by last key.</param>
    public static byte[] EncodeIndex(int level, IReadOnlyList<ChangeIndexChild> children)
    {
        var writer = new ByteWriter(IndexSizeBytesMax);
        writer.WriteByte(Version);
        writer.WriteByte((byte)level);
        foreach (var child in children)
        {
            writer.WriteSized(child.LastKey.Span);
            writer.WriteId(child.Id);
            writer.WriteVarint((ulong)child.Count);
        }

        return writer.ToArray();
    }

    /// <summary>Length of a child in an index.</summary>
    public static int SizeOf(in ChangeIndexChild child) =>
        ByteWriter.VarintSizeBytes((ulong)child.LastKey.Length) + child.LastKey.Length + ObjectId.HashSizeBytes +
        ByteWriter.VarintSizeBytes((ulong)child.Count);

    /// <summary>Reads an index.</summary>
    /// <param name="content">The object's bytes; keys are views of them.</param>
    /// <param name="level">The level that it must have; null for any.</param>
    /// <returns>One child or more, ascending by last key.</returns>
    public static List<ChangeIndexChild> DecodeIndex(ReadOnlyMemory<byte> content, int? level = null)
    {
        var reader = new ByteReader(content.Span, "a change index");
        if (content.Length > IndexSizeBytesMax)
        {
            throw reader.Corrupt($"it has {content.Length} bytes, more than {IndexSizeBytesMax}");
        }

        ReadVersion(ref reader);
        var found = reader.ReadByte();
        if (found is < 1 or > LevelMax || (level is { } expected && found != expected))
        {
            throw reader.Corrupt($"its level is {found}");
        }

        var children = new List<ChangeIndexChild>();
        do
        {
            var key = ReadKey(ref reader, content);
            if (children.Count > 0 && children[^1].LastKey.Span.SequenceCompareTo(key.Span) >= 0)
            {
                throw reader.Corrupt("its keys are not ascending");
            }

            if (children.Count == IndexChildrenMax)
            {
                throw reader.Corrupt($"it has more than {IndexChildrenMax} children");
            }

            children.Add(new ChangeIndexChild(
                key, reader.ReadId(), reader.ReadVarint(1, CountMax, "the number of changes of a child")));
        }
        while (reader.Remaining > 0);

        return children;
    }

    private static void ReadVersion(ref ByteReader reader)
    {
        var version = reader.ReadByte();
        if (version != Version)
        {
            throw version > Version
                ? new FormatTooNewException("A change list", version, Version)
                : reader.Corrupt($"its version is {version}");
        }
    }

    private static ReadOnlyMemory<byte> ReadKey(ref ByteReader reader, ReadOnlyMemory<byte> source)
    {
        var length = reader.ReadSized(
            TreeProfile.KeySizeBytesMin, TreeProfile.KeySizeBytesMax, "the length of a key").Length;
        return source.Slice(reader.Position - length, length);
    }
}

/// <summary>A list or an index below an index.</summary>
/// <param name="LastKey">The last key in it.</param>
/// <param name="Id">The object.</param>
/// <param name="Count">Number of changes in it.</param>
internal readonly record struct ChangeIndexChild(ReadOnlyMemory<byte> LastKey, ObjectId Id, long Count);
