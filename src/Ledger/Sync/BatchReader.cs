using System.Buffers.Binary;
using System.IO.Compression;
using Ledger.Commits;
using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Trees;

namespace Ledger.Sync;

/// <summary>What a batch says, in its order: a commit, its changes in one list or more, its end.</summary>
internal abstract record BatchItem
{
    private BatchItem()
    {
    }

    /// <summary>A commit begins.</summary>
    /// <param name="Commit">Rebuilt from what was sent; its id covers the root that applying must lead to.</param>
    /// <param name="BaseParent">The parent that the changes are against.</param>
    internal sealed record Begin(Commit Commit, CommitId BaseParent) : BatchItem;

    /// <summary>Changes, ascending by key, also from one of these to the next.</summary>
    /// <param name="Items">One or more.</param>
    internal sealed record Changes(IReadOnlyList<TreeChange> Items) : BatchItem;

    /// <summary>The commit's changes have ended.</summary>
    internal sealed record End : BatchItem;
}

/// <summary>Reads a batch piece by piece (docs/formats/batch.md). Used once, by one caller.</summary>
/// <remarks>
/// A batch that nobody could have written is refused, whatever the order of its pieces. That changes change something,
/// and lead to the commit's root, is seen where they are applied.
/// </remarks>
/// <param name="device">The device whose entry it is.</param>
internal sealed class BatchReader(DeviceId device)
{
    private readonly List<CommitId> _commits = [];
    private readonly HashSet<CommitId> _known = [];
    private uint _incarnation;
    private bool _isStarted;
    private bool _isInCommit;
    private long _changes;
    private byte[]? _lastKey;
    private int _frameSizeBytes;

    /// <summary>Of the page, as the batch says; known after the first piece.</summary>
    public uint Incarnation => _incarnation;

    /// <summary>Reads the next piece.</summary>
    /// <param name="piece">Keys and values of what is returned may be views of it.</param>
    /// <exception cref="CorruptObjectException">No writer makes it.</exception>
    /// <exception cref="FormatTooNewException">A newer version made it.</exception>
    public IReadOnlyList<BatchItem> Read(ReadOnlyMemory<byte> piece)
    {
        var reader = new ByteReader(piece.Span, "a batch of commits");
        if (piece.Length > BatchFormat.PieceSizeBytesMax)
        {
            throw reader.Corrupt($"a piece has {piece.Length} bytes, more than {BatchFormat.PieceSizeBytesMax}");
        }

        if (!_isStarted)
        {
            ReadStart(ref reader);
        }

        var items = new List<BatchItem>();
        do
        {
            items.Add(ReadFrame(ref reader, piece));
        }
        while (reader.Remaining > 0);

        return items;
    }

    /// <summary>Checks that the last piece was the last one.</summary>
    /// <exception cref="CorruptObjectException">It ended within a commit, or before the first.</exception>
    public void Finish()
    {
        if (_isInCommit || _commits.Count == 0)
        {
            throw new CorruptObjectException("a batch of commits ends within a commit");
        }
    }

    private static long UnZigZag(ulong value) => (long)(value >> 1) ^ -(long)(value & 1);

    private static CommitId ReadSkipLink(ref ByteReader reader, long generation, CommitId[] parents)
    {
        var linked = Commit.SkipGenerationOf(generation);
        if (linked == 0)
        {
            return Commit.Genesis.Id;
        }

        if (linked == generation - 1)
        {
            return parents[parents.Length == 1 ? 0 : (int)reader.ReadVarint(0, parents.Length - 1, "a skip link")];
        }

        var id = reader.ReadBytes(ObjectId.HashSizeBytes);
        return id.ContainsAnyExcept((byte)0)
            ? new CommitId(ObjectId.FromHash(id))
            : throw reader.Corrupt("a commit has no skip link");
    }

    private void ReadStart(ref ByteReader reader)
    {
        var version = reader.ReadByte();
        if (version != BatchFormat.Version)
        {
            throw version > BatchFormat.Version
                ? new FormatTooNewException("A batch of commits", version, BatchFormat.Version)
                : reader.Corrupt($"its version is {version}");
        }

        _incarnation = (uint)reader.ReadVarint(0, uint.MaxValue, "the incarnation");
        _isStarted = true;
    }

    private BatchItem ReadFrame(ref ByteReader reader, ReadOnlyMemory<byte> piece)
    {
        var type = reader.ReadByte();
        if (_isInCommit == (type == BatchFormat.CommitFrame))
        {
            throw reader.Corrupt("a commit does not begin where the one before has ended");
        }

        switch (type)
        {
            case BatchFormat.CommitFrame:
                return ReadCommit(ref reader);
            case BatchFormat.RawFrame:
                var length = reader.ReadSized(1, BatchFormat.FrameSizeBytesMax, "the length of changes").Length;
                return ReadChanges(piece.Slice(reader.Position - length, length));
            case BatchFormat.CompressedFrame:
                return ReadChanges(Decompress(ref reader));
            case BatchFormat.EndFrame:
                if (reader.ReadVarint(0, long.MaxValue, "the number of changes") != _changes)
                {
                    throw reader.Corrupt($"a commit has {_changes} changes, not the number it says");
                }

                _isInCommit = false;
                return new BatchItem.End();
            default:
                throw reader.Corrupt($"it has a frame of the unknown type {type}");
        }
    }

    private BatchItem.Begin ReadCommit(ref ByteReader reader)
    {
        var flags = reader.ReadByte();
        if (flags is not 0 && (flags & BatchFormat.AuthoredFlag) == 0 || flags > 7)
        {
            throw reader.Corrupt($"a commit has the unknown flags {flags}");
        }

        var profile = (int)reader.ReadVarint(1, 1 << 16, "the tree profile");
        if (profile != TreeProfile.Number)
        {
            throw new FormatTooNewException("The tree of a commit", profile, TreeProfile.Number);
        }

        var root = reader.ReadId();
        var parents = new CommitId[reader.ReadVarint(1, Commit.ParentsMax, "the number of parents")];
        for (var index = 0; index < parents.Length; index++)
        {
            parents[index] = ReadParent(ref reader);
        }

        var baseParent = parents[reader.ReadVarint(0, parents.Length - 1, "the parent of the changes")];
        var generation = reader.ReadVarint(1, Commit.GenerationMax, "the generation");
        var timestamp = new HybridTimestamp(BinaryPrimitives.ReadUInt64BigEndian(reader.ReadBytes(sizeof(ulong))));
        var fields = new CommitFields
        {
            Root = root,
            Parents = parents,
            Generation = generation,
            Timestamp = timestamp,
            SkipLink = ReadSkipLink(ref reader, generation, parents),
            Author = ReadAuthor(ref reader, flags, timestamp),
        };
        if (CommitCodec.FindProblem(fields) is { } problem)
        {
            throw reader.Corrupt($"a commit of it cannot be: {problem}");
        }

        var commit = Commit.Create(fields);
        if (!_known.Add(commit.Id))
        {
            throw reader.Corrupt($"commit {commit.Id} is in it twice");
        }

        _commits.Add(commit.Id);
        (_isInCommit, _changes, _lastKey) = (true, 0, null);
        return new BatchItem.Begin(commit, baseParent);
    }

    private CommitId ReadParent(ref ByteReader reader)
    {
        var how = reader.ReadVarint(0, _commits.Count - 1 + BatchFormat.ParentBack, "a parent");
        if (how == BatchFormat.ParentGenesis)
        {
            return Commit.Genesis.Id;
        }

        if (how >= BatchFormat.ParentBack)
        {
            return _commits[^((int)how - BatchFormat.ParentBack + 1)];
        }

        var id = new CommitId(reader.ReadId());
        return id == Commit.Genesis.Id || _known.Contains(id)
            ? throw reader.Corrupt($"it names commit {id} by its id though it need not")
            : id;
    }

    private Authorship? ReadAuthor(ref ByteReader reader, byte flags, HybridTimestamp timestamp)
    {
        if (flags == 0)
        {
            return null;
        }

        var author = device;
        if ((flags & BatchFormat.OtherDeviceFlag) != 0)
        {
            author = DeviceId.Read(reader.ReadBytes(DeviceId.SizeBytes));
            if (author == device)
            {
                throw reader.Corrupt("it names its own device as another one");
            }
        }

        var wallClockMs = unchecked(UnZigZag(reader.ReadVarint()) + timestamp.Milliseconds);
        var message = (flags & BatchFormat.MessageFlag) == 0
            ? null
            : CommitCodec.ReadUtf8(
                ref reader, reader.ReadSized(1, Commit.MessageSizeBytesMax, "the length of a message"), "a message");
        return new Authorship(author, _incarnation, wallClockMs, message);
    }

    private BatchItem.Changes ReadChanges(ReadOnlyMemory<byte> content)
    {
        var reader = new ByteReader(content.Span, "the changes of a commit");
        var changes = new List<TreeChange>();
        while (reader.Remaining > 0)
        {
            var change = ChangeListCodec.ReadChange(ref reader, content);
            var last = changes.Count > 0 ? changes[^1].Key.Span : _lastKey;
            if ((changes.Count > 0 || _lastKey is not null) && last.SequenceCompareTo(change.Key.Span) >= 0)
            {
                throw reader.Corrupt("the keys are not ascending");
            }

            if (changes.Count == 0 && _lastKey is not null &&
                _frameSizeBytes + reader.Position <= BatchFormat.FrameSizeBytesMax)
            {
                throw reader.Corrupt("the list before had room for the first of them");
            }

            changes.Add(change);
        }

        _frameSizeBytes = content.Length;
        _lastKey = changes[^1].Key.ToArray();
        _changes += changes.Count;
        return new BatchItem.Changes(changes);
    }

    private static byte[] Decompress(ref ByteReader reader)
    {
        var length = (int)reader.ReadVarint(
            BatchFormat.CompressedSizeBytesMin, BatchFormat.FrameSizeBytesMax, "the length of changes");
        var compressed = reader.ReadSized(1, length - 1, "the length of compressed changes");
        var raw = new byte[length];
        return BrotliDecoder.TryDecompress(compressed, raw, out var written) && written == length
            ? raw
            : throw reader.Corrupt("compressed changes cannot be decompressed to the length they say");
    }
}
