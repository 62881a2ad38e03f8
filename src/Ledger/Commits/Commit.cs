using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Trees;

namespace Ledger.Commits;

/// <summary>One state of a page and how it was reached. Never changes; its id covers every field.</summary>
/// <remarks>
/// <see cref="Create"/> makes one and <see cref="Decode"/> reads one; both apply the same rules
/// (docs/formats/commit.md), so that whatever was made can be read and nothing else can.
/// </remarks>
internal sealed class Commit : IEquatable<Commit>
{
    /// <summary>Most parents.</summary>
    public const int ParentsMax = 16;

    /// <summary>Longest message, in bytes of UTF-8.</summary>
    public const int MessageSizeBytesMax = 4096;

    /// <summary>Highest generation.</summary>
    public const long GenerationMax = 1L << 56;

    private Commit(CommitFields fields, byte[] content)
    {
        Fields = fields;
        Content = content;
        Id = new CommitId(ObjectId.Of(ObjectKind.Commit, content));
    }

    /// <summary>The commit that every page begins with, on every device; never stored.</summary>
    public static Commit Genesis { get; } = Make(new CommitFields
    {
        Profile = TreeProfile.Number,
        Root = Node.EmptyId,
        Parents = [],
        Generation = 0,
        Timestamp = HybridTimestamp.Zero,
        SkipLink = default,
        Author = null,
    });

    /// <summary>Hash of <see cref="Content"/>.</summary>
    public CommitId Id { get; }

    /// <summary>The canonical bytes.</summary>
    public ReadOnlyMemory<byte> Content { get; }

    /// <summary>Root node of the page's tree.</summary>
    public ObjectId Root => Fields.Root;

    /// <summary>None for genesis, one for an edit, more for a merge; ascending by id.</summary>
    public IReadOnlyList<CommitId> Parents => Fields.Parents;

    /// <summary>1 + the largest of the parents' generations; 0 for genesis.</summary>
    public long Generation => Fields.Generation;

    /// <summary>Hybrid time of the author, above every parent's; orders writers when a merge must choose.</summary>
    public HybridTimestamp Timestamp => Fields.Timestamp;

    /// <summary>
    /// The ancestor on the main chain whose generation is <see cref="SkipGenerationOf"/>; none for genesis.
    /// </summary>
    public CommitId SkipLink => Fields.SkipLink;

    /// <summary>Who made it; null for genesis and for an automatic merge.</summary>
    public Authorship? Author => Fields.Author;

    /// <summary>True for the commit that every page begins with.</summary>
    public bool IsGenesis => Generation == 0;

    private CommitFields Fields { get; }

    /// <summary>The generation that a commit's skip link leads to: its own with the lowest set bit cleared.</summary>
    public static long SkipGenerationOf(long generation) => generation & (generation - 1);

    /// <summary>Makes a commit.</summary>
    /// <param name="fields">What it says; the parents in any order.</param>
    /// <exception cref="InvariantException">The fields break a rule of the format.</exception>
    public static Commit Create(CommitFields fields)
    {
        var commit = Make(fields with { Parents = [.. fields.Parents.Order()] });
        var problem = CommitCodec.FindProblem(commit.Fields);
        return problem is null ? commit : throw new InvariantException($"A commit cannot be made: {problem}.");
    }

    /// <summary>Reads canonical bytes.</summary>
    /// <param name="content">The bytes; copied.</param>
    /// <exception cref="CorruptObjectException">The encoder cannot have made them.</exception>
    /// <exception cref="FormatTooNewException">
    /// A newer version made them, or the tree has an unknown profile.
    /// </exception>
    public static Commit Decode(ReadOnlyMemory<byte> content) =>
        new(CommitCodec.Decode(content.Span), content.ToArray());

    /// <summary>Same id.</summary>
    public bool Equals(Commit? other) => other is not null && other.Id == Id;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as Commit);

    /// <inheritdoc/>
    public override int GetHashCode() => Id.GetHashCode();

    /// <summary>The id.</summary>
    public override string ToString() => Id.ToString();

    private static Commit Make(CommitFields fields) => new(fields, CommitCodec.Encode(fields));
}

/// <summary>What a commit says.</summary>
internal sealed record CommitFields
{
    /// <summary>Number of the tree's profile.</summary>
    public int Profile { get; init; } = TreeProfile.Number;

    /// <summary>Root node of the tree.</summary>
    public required ObjectId Root { get; init; }

    /// <summary>0 to <see cref="Commit.ParentsMax"/> parents.</summary>
    public required IReadOnlyList<CommitId> Parents { get; init; }

    /// <summary>1 + the largest of the parents' generations.</summary>
    public required long Generation { get; init; }

    /// <summary>Hybrid time.</summary>
    public required HybridTimestamp Timestamp { get; init; }

    /// <summary>The skip link; the default value for genesis.</summary>
    public required CommitId SkipLink { get; init; }

    /// <summary>Who made it, or null.</summary>
    public required Authorship? Author { get; init; }
}

/// <summary>Who made a commit, and when by the wall clock.</summary>
/// <param name="Device">The device.</param>
/// <param name="Incarnation">Incarnation of the page.</param>
/// <param name="WallClockMs">Milliseconds since the Unix epoch, 0 to <see cref="WallClockMsMax"/>.</param>
/// <param name="Message">1 to <see cref="Commit.MessageSizeBytesMax"/> bytes of UTF-8; null for none.</param>
internal sealed record Authorship(DeviceId Device, uint Incarnation, long WallClockMs, string? Message)
{
    /// <summary>The last millisecond of the year 9999.</summary>
    public const long WallClockMsMax = 253_402_300_799_999;

    /// <summary>The wall clock of the author.</summary>
    public DateTimeOffset Time => DateTimeOffset.FromUnixTimeMilliseconds(WallClockMs);
}
