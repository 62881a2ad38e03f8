using System.Buffers.Binary;
using Ledger.Commits;
using Ledger.Objects;

namespace Ledger.Pages.Rows;

/// <summary>Keys of the rows that pages keep in a ledger's store (docs/formats/rows.md).</summary>
internal static class RowKeys
{
    private const byte SettingsKind = (byte)'s';
    private const byte PageKind = (byte)'p';
    private const byte HeadKind = (byte)'h';
    private const byte CommitKind = (byte)'c';
    private const byte JournalKind = (byte)'j';
    private const byte MergeNoteKind = (byte)'m';
    private const int PagePrefixSizeBytes = 1 + PageId.SizeBytes;

    /// <summary>The ledger's settings.</summary>
    public static ReadOnlyMemory<byte> Settings { get; } = new[] { SettingsKind };

    /// <summary>Begins the keys of all page rows.</summary>
    public static ReadOnlyMemory<byte> Pages { get; } = new[] { PageKind };

    /// <summary>Begins the keys of all journals.</summary>
    public static ReadOnlyMemory<byte> AllJournals { get; } = new[] { JournalKind };

    /// <summary>
    /// How far a feed was taken in; kept by synchronisation. With it, values of older commits may be absent.
    /// </summary>
    public static ReadOnlyMemory<byte> SyncAnchor { get; } = new[] { (byte)'y', (byte)'a' };

    /// <summary>The row of a page.</summary>
    public static byte[] Page(PageId page) => Of(PageKind, page, 0);

    /// <summary>Begins the keys of a page's heads.</summary>
    public static byte[] Heads(PageId page) => Of(HeadKind, page, 0);

    /// <summary>The head of a branch.</summary>
    public static byte[] Head(PageId page, uint branch)
    {
        var key = Of(HeadKind, page, sizeof(uint));
        BinaryPrimitives.WriteUInt32BigEndian(key.AsSpan(PagePrefixSizeBytes), branch);
        return key;
    }

    /// <summary>Begins the keys of a page's commits.</summary>
    public static byte[] Commits(PageId page) => Of(CommitKind, page, 0);

    /// <summary>A commit of a page.</summary>
    public static byte[] Commit(PageId page, CommitId commit) => OfCommit(CommitKind, page, commit);

    /// <summary>The note beside a merge.</summary>
    public static byte[] MergeNote(PageId page, CommitId commit) => OfCommit(MergeNoteKind, page, commit);

    /// <summary>Begins the keys of a page's journals, of all incarnations.</summary>
    public static byte[] Journals(PageId page) => Of(JournalKind, page, 0);

    /// <summary>An entry of a branch's journal.</summary>
    public static byte[] JournalEntry(PageId page, JournalPlace place)
    {
        var key = Of(JournalKind, page, JournalPlace.SizeBytes);
        BinaryPrimitives.WriteUInt32BigEndian(key.AsSpan(PagePrefixSizeBytes), place.Incarnation);
        BinaryPrimitives.WriteUInt32BigEndian(key.AsSpan(PagePrefixSizeBytes + 4), place.Branch);
        BinaryPrimitives.WriteUInt64BigEndian(key.AsSpan(PagePrefixSizeBytes + 8), place.Sequence);
        return key;
    }

    /// <summary>The first key after all that begin with <paramref name="prefix"/>.</summary>
    public static byte[] EndOf(byte[] prefix)
    {
        // A row key begins with a letter, so that some byte can always be raised.
        var length = prefix.Length;
        while (prefix[length - 1] == byte.MaxValue)
        {
            length--;
        }

        var end = prefix[..length];
        end[^1]++;
        return end;
    }

    /// <summary>The page of a page row's key.</summary>
    /// <exception cref="CorruptObjectException">It is no such key.</exception>
    public static PageId ReadPage(ReadOnlySpan<byte> key)
    {
        var reader = Open(key, "the key of a page row");
        var page = new PageId(reader.ReadBytes(PageId.SizeBytes));
        reader.ExpectEnd();
        return page;
    }

    /// <summary>The branch of a head row's key.</summary>
    /// <exception cref="CorruptObjectException">It is no such key.</exception>
    public static uint ReadBranch(ReadOnlySpan<byte> key)
    {
        var reader = Open(key, "the key of a head row");
        reader.ReadBytes(PageId.SizeBytes);
        var branch = BinaryPrimitives.ReadUInt32BigEndian(reader.ReadBytes(sizeof(uint)));
        reader.ExpectEnd();
        return branch;
    }

    /// <summary>The commit of a commit row's key.</summary>
    /// <exception cref="CorruptObjectException">It is no such key.</exception>
    public static CommitId ReadCommit(ReadOnlySpan<byte> key)
    {
        var reader = Open(key, "the key of a commit row");
        reader.ReadBytes(PageId.SizeBytes);
        var commit = new CommitId(reader.ReadId());
        reader.ExpectEnd();
        return commit;
    }

    /// <summary>The place of a journal row's key.</summary>
    /// <exception cref="CorruptObjectException">It is no such key.</exception>
    public static JournalPlace ReadJournalPlace(ReadOnlySpan<byte> key)
    {
        var reader = Open(key, "the key of a journal row");
        reader.ReadBytes(PageId.SizeBytes);
        var place = new JournalPlace(
            BinaryPrimitives.ReadUInt32BigEndian(reader.ReadBytes(sizeof(uint))),
            BinaryPrimitives.ReadUInt32BigEndian(reader.ReadBytes(sizeof(uint))),
            BinaryPrimitives.ReadUInt64BigEndian(reader.ReadBytes(sizeof(ulong))));
        reader.ExpectEnd();
        return place;
    }

    private static ByteReader Open(ReadOnlySpan<byte> key, string what)
    {
        var reader = new ByteReader(key, what);
        reader.ReadByte();
        return reader;
    }

    private static byte[] OfCommit(byte kind, PageId page, CommitId commit)
    {
        var key = Of(kind, page, ObjectId.HashSizeBytes);
        commit.Value.CopyHashTo(key.AsSpan(PagePrefixSizeBytes));
        return key;
    }

    private static byte[] Of(byte kind, PageId page, int restSizeBytes)
    {
        var key = new byte[PagePrefixSizeBytes + restSizeBytes];
        key[0] = kind;
        page.CopyTo(key.AsSpan(1));
        return key;
    }
}

/// <summary>Where an entry stands in the journals of a page.</summary>
/// <param name="Incarnation">Incarnation of the page.</param>
/// <param name="Branch">Number of the branch.</param>
/// <param name="Sequence">1 or more, ascending in the order of acknowledgement.</param>
internal readonly record struct JournalPlace(uint Incarnation, uint Branch, ulong Sequence)
{
    /// <summary>Length in a key.</summary>
    public const int SizeBytes = 16;
}
