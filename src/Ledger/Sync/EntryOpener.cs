using Ledger.Commits;
using Ledger.Objects;
using Ledger.Trees;

namespace Ledger.Sync;

/// <summary>A commit as a batch has it.</summary>
/// <param name="Commit">The commit.</param>
/// <param name="Base">The parent that the changes are against.</param>
/// <param name="Changes">Ascending by key.</param>
internal sealed record IncomingCommit(Commit Commit, CommitId Base, IReadOnlyList<TreeChange> Changes);

/// <summary>An entry of the feed, opened, or the reason why it cannot be.</summary>
/// <param name="Entry">As the cloud gave it.</param>
internal sealed record OpenedEntry(FeedEntry Entry)
{
    /// <summary>What was authenticated; null when nothing was.</summary>
    public EntryHeader? Header { get; init; }

    /// <summary>Of the page; 0 when there are no commits.</summary>
    public uint Incarnation { get; init; }

    /// <summary>The commits, parents first.</summary>
    public IReadOnlyList<IncomingCommit> Commits { get; init; } = [];

    /// <summary>About what the commits take, in bytes.</summary>
    public long SizeBytes => Commits.Sum(commit =>
        commit.Commit.Content.Length + commit.Changes.Sum(change => CommitChanges.SizeOf(change)));

    /// <summary>The catalog's record.</summary>
    public CatalogRecord? Record { get; init; }

    /// <summary>Why it cannot be applied, as a full sentence; or null.</summary>
    public string? Problem { get; init; }

    /// <summary>Hash that the device's next entry says of this one.</summary>
    public UInt128 Hash => EntrySeal.HashOf(Entry.Entry.Content.Span);
}

/// <summary>Opens entries of the feed. Safe for concurrent use.</summary>
/// <param name="context">The ledger's.</param>
internal sealed class EntryOpener(SyncContext context)
{
    /// <summary>Opens an entry, and fetches the pieces that it names.</summary>
    /// <exception cref="CloudUnavailableException">A piece could not be fetched; the cloud may come back.</exception>
    public async ValueTask<OpenedEntry> OpenAsync(FeedEntry entry, CancellationToken cancellationToken)
    {
        var opened = new OpenedEntry(entry);
        try
        {
            var (header, content) = EntrySeal.Open(context.Keys, entry.Page, entry.Entry);
            opened = opened with { Header = header };
            return header.Kind switch
            {
                EntryKind.Batch => ReadBatch(opened, [content]),
                EntryKind.Pieces => ReadBatch(opened, await FetchAsync(entry.Entry.Id, content, cancellationToken)),
                EntryKind.Catalog => opened with { Record = CatalogRecord.Decode(content) },
                _ => opened,
            };
        }
        catch (Exception problem) when (problem is CorruptObjectException or FormatTooNewException)
        {
            return opened with { Problem = problem.Message };
        }
    }

    /// <summary>Reads the pieces of a batch from the cloud.</summary>
    /// <exception cref="CorruptObjectException">One is not there, or not what it should be.</exception>
    public async ValueTask<List<byte[]>> FetchAsync(
        EntryId entry, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        var count = ReadPieceCount(content.Span);
        var pieces = new List<byte[]>(count);
        for (var index = 0; index < count; index++)
        {
            var name = context.Keys.NameOf(entry, index);
            var blob = await context.Cloud.GetBlobAsync(name, cancellationToken)
                ?? throw new CorruptObjectException($"piece {index} of {count} of entry {entry} is not in the cloud");
            pieces.Add(BlobSeal.Open(context.Keys, name, blob.Span));
        }

        return pieces;
    }

    /// <summary>The content of an entry whose batch is in pieces.</summary>
    public static byte[] WritePieceCount(int count)
    {
        var writer = new ByteWriter();
        writer.WriteVarint((ulong)count);
        return writer.ToArray();
    }

    private static int ReadPieceCount(ReadOnlySpan<byte> content)
    {
        var reader = new ByteReader(content, "the number of pieces of a batch");
        var count = (int)reader.ReadVarint(1, 1 << 20, "the number");
        reader.ExpectEnd();
        return count;
    }

    private static OpenedEntry ReadBatch(OpenedEntry opened, IReadOnlyList<byte[]> pieces)
    {
        var reader = new BatchReader(opened.Entry.Entry.Device);
        var commits = new List<IncomingCommit>();
        var changes = new List<TreeChange>();
        BatchItem.Begin? begin = null;
        foreach (var item in pieces.SelectMany(piece => reader.Read(piece)))
        {
            switch (item)
            {
                case BatchItem.Begin next:
                    (begin, changes) = (next, []);
                    break;
                case BatchItem.Changes more:
                    changes.AddRange(more.Items);
                    break;
                case BatchItem.End when begin is not null:
                    commits.Add(new IncomingCommit(begin.Commit, begin.BaseParent, changes));
                    break;
                default:
                    throw new CorruptObjectException("a batch of commits has a frame outside a commit");
            }
        }

        reader.Finish();
        return opened with { Commits = commits, Incarnation = reader.Incarnation };
    }
}
