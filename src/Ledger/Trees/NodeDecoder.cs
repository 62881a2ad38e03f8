using Ledger.Objects;

namespace Ledger.Trees;

/// <summary>Checks the bytes of a node: whatever the builder cannot produce is rejected.</summary>
internal ref struct NodeDecoder
{
    private const string What = "A tree node";

    private readonly ReadOnlyMemory<byte> _content;
    private ByteReader _reader;
    private int _level;
    private ReadOnlySpan<byte> _prefix;
    private int _weight;
    private long _entryCount;
    private NodeFlags _flags;

    private NodeDecoder(ReadOnlyMemory<byte> content)
    {
        _content = content;
        _reader = new ByteReader(content.Span, What);
    }

    /// <summary>Makes a view of the bytes of a node.</summary>
    /// <param name="content">Not copied; must never change.</param>
    /// <exception cref="CorruptObjectException">The bytes are not the canonical encoding of any node.</exception>
    public static Node Decode(ReadOnlyMemory<byte> content) => new NodeDecoder(content).Decode();

    private Node Decode()
    {
        Expect(NodeFormat.Version, "format version");
        Expect(ObjectId.Blake3Algorithm, "hash algorithm");
        _level = (int)_reader.ReadByte();
        if (_level > NodeFormat.LevelMax)
        {
            throw _reader.Corrupt($"its level is {_level}, above {NodeFormat.LevelMax}");
        }

        var count = (int)_reader.ReadVarint(_level == 0 ? 0 : 1, NodeFormat.NodeEntriesMax, "the number of entries");
        _prefix = _reader.ReadSized(0, count == 0 ? 0 : TreeProfile.KeySizeBytesMax, "the length of the prefix");
        var prefixStart = _reader.Position - _prefix.Length;
        var table = _reader.ReadBytes(count * sizeof(ushort));
        ReadEntries(count, table);
        _reader.ExpectEnd();
        return new Node(
            _content, new NodeLayout(_level, count, prefixStart, _prefix.Length, _entryCount, _flags));
    }

    private void ReadEntries(int count, ReadOnlySpan<byte> table)
    {
        var start = _reader.Position;
        ReadOnlySpan<byte> first = default;
        ReadOnlySpan<byte> previous = default;
        for (var index = 0; index < count; index++)
        {
            var offset = System.Buffers.Binary.BinaryPrimitives.ReadUInt16LittleEndian(table[(index * 2)..]);
            if (offset != _reader.Position - start)
            {
                throw _reader.Corrupt($"entry {index} is at {_reader.Position - start}, its offset says {offset}");
            }

            if (_weight >= TreeProfile.NodeWeightMax)
            {
                throw _reader.Corrupt($"it weighs {_weight} before entry {index} and goes on");
            }

            var keySizeMin = Math.Max(TreeProfile.KeySizeBytesMin - _prefix.Length, 0);
            var suffix = _reader.ReadSized(
                keySizeMin, TreeProfile.KeySizeBytesMax - _prefix.Length, "the length of a suffix");
            if (index == 0)
            {
                first = suffix;
            }
            else if (suffix.SequenceCompareTo(previous) <= 0)
            {
                throw _reader.Corrupt($"the key of entry {index} is not greater than the one before");
            }

            previous = suffix;
            ReadTail(_prefix.Length + suffix.Length);
        }

        CheckPrefix(count, first, previous);
    }

    private void ReadTail(int keySizeBytes)
    {
        if (_level == 0)
        {
            var value = NodeFormat.ReadLeafTail(ref _reader, _content);
            _weight += NodeFormat.WeightOf(keySizeBytes, value);
            _flags |= NodeFormat.FlagsOf(value);
            _entryCount++;
            return;
        }

        var child = NodeFormat.ReadInnerTail(ref _reader);
        _weight += NodeFormat.WeightOf(keySizeBytes);
        _flags |= child.Flags;
        _entryCount += child.EntryCount;
        if (_entryCount > NodeFormat.EntryCountMax)
        {
            throw _reader.Corrupt($"its children have {_entryCount} entries, above {NodeFormat.EntryCountMax}");
        }
    }

    private readonly void CheckPrefix(int count, ReadOnlySpan<byte> first, ReadOnlySpan<byte> last)
    {
        // The keys ascend, so that what the first and the last have in common, all have.
        var common = count == 1 ? first.Length : first.CommonPrefixLength(last);
        if (common != 0)
        {
            throw _reader.Corrupt($"its keys have {common} more bytes in common than the prefix says");
        }
    }

    private void Expect(byte expected, string field)
    {
        var actual = _reader.ReadByte();
        if (actual != expected)
        {
            throw _reader.Corrupt($"its {field} is {actual}, not {expected}");
        }
    }
}
