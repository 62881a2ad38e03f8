using System.Buffers.Binary;
using System.Text;
using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Trees;

namespace Ledger.Commits;

/// <summary>The canonical bytes of a commit, as docs/formats/commit.md defines them.</summary>
internal static class CommitCodec
{
    /// <summary>First byte of every commit.</summary>
    public const byte Version = 1;

    private const byte AuthoredFlag = 1;
    private const byte MessageFlag = 2;
    private const int ProfileMax = 1 << 16;

    /// <summary>Refuses what is not valid UTF-16 or UTF-8, so that a message has one encoding.</summary>
    public static UTF8Encoding StrictUtf8 { get; } =
        new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Writes a commit.</summary>
    /// <param name="fields">Parents ascending.</param>
    public static byte[] Encode(CommitFields fields)
    {
        var writer = new ByteWriter();
        writer.WriteByte(Version);
        writer.WriteVarint((ulong)fields.Profile);
        writer.WriteId(fields.Root);
        writer.WriteVarint((ulong)fields.Parents.Count);
        foreach (var parent in fields.Parents)
        {
            writer.WriteId(parent.Value);
        }

        writer.WriteVarint((ulong)fields.Generation);
        BinaryPrimitives.WriteUInt64BigEndian(writer.Reserve(sizeof(ulong)), fields.Timestamp.Value);
        writer.WriteId(fields.SkipLink.Value);
        WriteAuthor(writer, fields.Author);
        return writer.ToArray();
    }

    /// <summary>Reads a commit and applies every rule that its bytes alone can show.</summary>
    /// <exception cref="CorruptObjectException">The encoder cannot have made the bytes.</exception>
    /// <exception cref="FormatTooNewException">
    /// A newer version made them, or the tree has an unknown profile.
    /// </exception>
    public static CommitFields Decode(ReadOnlySpan<byte> content)
    {
        var reader = new ByteReader(content, "a commit");
        var version = reader.ReadByte();
        if (version != Version)
        {
            throw version > Version
                ? new FormatTooNewException("A commit", version, Version)
                : reader.Corrupt($"its version is {version}");
        }

        var profile = (int)reader.ReadVarint(1, ProfileMax, "the tree profile");
        if (profile != TreeProfile.Number)
        {
            throw new FormatTooNewException("The tree of a commit", profile, TreeProfile.Number);
        }

        var fields = new CommitFields
        {
            Profile = profile,
            Root = reader.ReadId(),
            Parents = ReadParents(ref reader),
            Generation = reader.ReadVarint(0, Commit.GenerationMax, "the generation"),
            Timestamp = new HybridTimestamp(BinaryPrimitives.ReadUInt64BigEndian(reader.ReadBytes(sizeof(ulong)))),
            SkipLink = ReadSkip(ref reader),
            Author = ReadAuthor(ref reader),
        };
        reader.ExpectEnd();
        return FindProblem(fields) is { } problem ? throw reader.Corrupt(problem) : fields;
    }

    /// <summary>Text, which must be UTF-8.</summary>
    public static string ReadUtf8(ref ByteReader reader, ReadOnlySpan<byte> bytes, string field)
    {
        try
        {
            return StrictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw reader.Corrupt($"{field} is not UTF-8");
        }
    }

    /// <summary>The rule that the fields break, as a clause, or null.</summary>
    public static string? FindProblem(CommitFields fields)
    {
        var parents = fields.Parents;
        for (var index = 1; index < parents.Count; index++)
        {
            if (parents[index - 1] >= parents[index])
            {
                return "its parents are not ascending";
            }
        }

        if (parents.Count > Commit.ParentsMax)
        {
            return $"it has {parents.Count} parents, more than {Commit.ParentsMax}";
        }

        if (parents.Count == 0)
        {
            return fields.Generation == 0 && fields.Timestamp == HybridTimestamp.Zero && fields.Root == Node.EmptyId &&
                fields.SkipLink.Value.IsNone && fields.Author is null
                ? null
                : "it has no parents and is not the commit that every page begins with";
        }

        if (fields.Generation is < 1 or > Commit.GenerationMax)
        {
            return $"its generation {fields.Generation} is outside 1 to {Commit.GenerationMax}";
        }

        return FindSkipProblem(fields) ?? FindAuthorProblem(fields);
    }

    private static string? FindSkipProblem(CommitFields fields)
    {
        // An odd generation links to its main parent, a power of two to genesis; for the rest only the graph can tell.
        var linked = Commit.SkipGenerationOf(fields.Generation);
        if (fields.SkipLink.Value.IsNone)
        {
            return "it has no skip link";
        }

        if (linked == fields.Generation - 1 && !fields.Parents.Contains(fields.SkipLink))
        {
            return "its skip link is not a parent";
        }

        return linked == 0 && fields.SkipLink != Commit.Genesis.Id ? "its skip link does not lead to genesis" : null;
    }

    private static string? FindAuthorProblem(CommitFields fields)
    {
        if (fields.Author is not { } author)
        {
            return fields.Parents.Count >= 2 ? null : "it has one parent and no author";
        }

        if (author.WallClockMs is < 0 or > Authorship.WallClockMsMax)
        {
            return $"its wall clock {author.WallClockMs} is outside the calendar";
        }

        return author.Message is { } message && StrictUtf8.GetByteCount(message) is < 1 or > Commit.MessageSizeBytesMax
            ? $"its message is empty or longer than {Commit.MessageSizeBytesMax} bytes"
            : null;
    }

    private static void WriteAuthor(ByteWriter writer, Authorship? author)
    {
        if (author is null)
        {
            writer.WriteByte(0);
            return;
        }

        writer.WriteByte(author.Message is null ? AuthoredFlag : (byte)(AuthoredFlag | MessageFlag));
        author.Device.CopyTo(writer.Reserve(DeviceId.SizeBytes));
        writer.WriteVarint(author.Incarnation);
        writer.WriteVarint((ulong)author.WallClockMs);
        if (author.Message is { } message)
        {
            writer.WriteSized(StrictUtf8.GetBytes(message));
        }
    }

    private static CommitId[] ReadParents(ref ByteReader reader)
    {
        var parents = new CommitId[reader.ReadVarint(0, Commit.ParentsMax, "the number of parents")];
        for (var index = 0; index < parents.Length; index++)
        {
            parents[index] = new CommitId(reader.ReadId());
        }

        return parents;
    }

    private static CommitId ReadSkip(ref ByteReader reader)
    {
        var hash = reader.ReadBytes(ObjectId.HashSizeBytes);
        return hash.ContainsAnyExcept((byte)0) ? new CommitId(ObjectId.FromHash(hash)) : default;
    }

    private static Authorship? ReadAuthor(ref ByteReader reader)
    {
        var flags = reader.ReadByte();
        if (flags == 0)
        {
            return null;
        }

        if (flags is not (AuthoredFlag or (AuthoredFlag | MessageFlag)))
        {
            throw reader.Corrupt($"it has the unknown flags {flags}");
        }

        var device = DeviceId.Read(reader.ReadBytes(DeviceId.SizeBytes));
        var incarnation = (uint)reader.ReadVarint(0, uint.MaxValue, "the incarnation");
        var wallClockMs = reader.ReadVarint(0, Authorship.WallClockMsMax, "the wall clock");
        var message = (flags & MessageFlag) == 0
            ? null
            : ReadUtf8(
                ref reader, reader.ReadSized(1, Commit.MessageSizeBytesMax, "the length of the message"),
                "its message");
        return new Authorship(device, incarnation, wallClockMs, message);
    }

}
