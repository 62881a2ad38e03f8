using Ledger.Commits;
using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Sync;
using Ledger.Tests.Commits;
using Ledger.Trees;
using Xunit;

namespace Ledger.Tests.Sync;

public sealed class BatchTests
{
    private static readonly DeviceId Device = CommitSamples.Device;

    [Fact]
    public void What_is_read_is_what_was_written()
    {
        var written = Samples();

        var pieces = Write(written);

        AssertSame(written, Read(pieces));
        TestData.AssertGolden("golden/batch.bin", Assert.Single(pieces));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3000)]
    [InlineData(40_000)]
    public void A_commit_of_any_size_is_cut_into_pieces_of_whole_frames(int count)
    {
        var random = new Random(count);
        TreeChange[] changes =
        [
            .. Enumerable.Range(0, count).Select(number =>
            {
                var value = new byte[random.Next(100)];
                random.NextBytes(value);
                return new TreeChange(PageText.Bytes($"key {number:D8}"), EntryValue.OfInline(value));
            }),
        ];
        (Commit, CommitId, TreeChange[])[] written = [(CommitSamples.All["first"], Commit.Genesis.Id, changes)];

        var pieces = Write(written);

        AssertSame(written, Read(pieces));
        Assert.All(pieces, piece => Assert.InRange(piece.Length, 1, BatchFormat.PieceSizeBytesMax));
        Assert.Equal(count == 40_000, pieces.Count > 1);
    }

    [Fact]
    public void One_put_costs_little_more_than_itself_and_a_thousand_compress()
    {
        var put = new TreeChange(new byte[16], EntryValue.OfInline(new byte[100]));
        TreeChange[] thousand =
        [
            .. Enumerable.Range(0, 1000).Select(number => new TreeChange(
                PageText.Bytes($"some key {number:D7}"), EntryValue.OfInline(PageText.Bytes($"value {number:D94}")))),
        ];
        var first = CommitSamples.All["first"];

        var one = Write([(first, Commit.Genesis.Id, [put])])[0].Length;
        var many = Write([(first, Commit.Genesis.Id, thousand)])[0].Length;

        Assert.InRange(one, 116, 116 + 65);
        Assert.InRange(many, 1000, 116_000 / 3);
    }

    [Fact]
    public void Mutated_batches_are_rejected_or_mean_themselves()
    {
        var merge = CommitSamples.All["automatic merge"];
        byte[][] seeds =
        [
            Write(Samples())[0],
            Write([(CommitSamples.All["first"], Commit.Genesis.Id, [])])[0],
            Write([(merge, merge.Parents[1], Changes())])[0],
        ];

        // Another compressor may make other bytes of the same changes, so they are written as they were read.
        MutationFuzz.Run(
            "batch", seeds, content => Read([content.ToArray()]), count: 100_000, seed: 31,
            content => content.Span.Contains(BatchFormat.CompressedFrame) && HasCompressed(content)
                ? content.ToArray()
                : Write(Read([content.ToArray()]), content)[0]);
    }

    [Fact]
    public void A_batch_that_ends_within_a_commit_is_refused()
    {
        var piece = Write([(CommitSamples.All["first"], Commit.Genesis.Id, Changes())])[0];

        Assert.Throws<CorruptObjectException>(() => Read([piece[..^2]]));
        Assert.Throws<CorruptObjectException>(() => Read([piece[..2]]));
    }

    private static bool HasCompressed(ReadOnlyMemory<byte> content)
    {
        var plain = Write(Read([content.ToArray()]), content)[0];
        return plain.Length >= BatchFormat.CompressedSizeBytesMin;
    }

    private static TreeChange[] Changes() =>
    [
        new("a"u8.ToArray(), EntryValue.OfInline("eager"u8.ToArray())),
        new("b"u8.ToArray(), EntryValue.OfInline(default, EntryPriority.Lazy)),
        new("c"u8.ToArray(), EntryValue.OfObject(CommitSamples.Hash(1), 513)),
        new("d"u8.ToArray(), null),
    ];

    private static (Commit Commit, CommitId BaseParent, TreeChange[] Changes)[] Samples()
    {
        var all = CommitSamples.All;
        return
        [
            (all["first"], Commit.Genesis.Id, Changes()),
            (all["second, with a message"], all["first"].Id, []),
            (all["third, with the longest message"], all["second, with a message"].Id, Changes()[..1]),
            (all["automatic merge"], all["automatic merge"].Parents[1], Changes()[1..]),
        ];
    }

    private static IReadOnlyList<byte[]> Write(
        IReadOnlyList<(Commit Commit, CommitId BaseParent, TreeChange[] Changes)> commits,
        ReadOnlyMemory<byte> incarnationOf = default)
    {
        var incarnation = incarnationOf.IsEmpty ? 1 : IncarnationOf(incarnationOf);
        var writer = new BatchWriter(incarnation, Device);
        foreach (var (commit, baseParent, changes) in commits)
        {
            writer.BeginCommit(commit, baseParent);
            foreach (var change in changes)
            {
                writer.Add(change);
            }

            writer.EndCommit();
        }

        return writer.Finish();
    }

    private static uint IncarnationOf(ReadOnlyMemory<byte> piece)
    {
        var reader = new BatchReader(Device);
        _ = reader.Read(piece);
        return reader.Incarnation;
    }

    private static List<(Commit Commit, CommitId BaseParent, TreeChange[] Changes)> Read(IReadOnlyList<byte[]> pieces)
    {
        var reader = new BatchReader(Device);
        var read = new List<(Commit, CommitId, TreeChange[])>();
        var changes = new List<TreeChange>();
        BatchItem.Begin? begun = null;
        foreach (var item in pieces.SelectMany(piece => reader.Read(piece)))
        {
            switch (item)
            {
                case BatchItem.Begin begin:
                    begun = begin;
                    changes.Clear();
                    break;
                case BatchItem.Changes more:
                    changes.AddRange(more.Items);
                    break;
                case BatchItem.End:
                    read.Add((begun!.Commit, begun.BaseParent, [.. changes]));
                    break;
            }
        }

        reader.Finish();
        return read;
    }

    private static void AssertSame(
        IReadOnlyList<(Commit Commit, CommitId BaseParent, TreeChange[] Changes)> expected,
        List<(Commit Commit, CommitId BaseParent, TreeChange[] Changes)> actual)
    {
        Assert.Equal(expected.Select(each => each.Commit), actual.Select(each => each.Commit));
        Assert.Equal(expected.Select(each => each.BaseParent), actual.Select(each => each.BaseParent));
        foreach (var (left, right) in expected.Zip(actual))
        {
            Assert.Equal(left.Changes.Select(each => each.Value), right.Changes.Select(each => each.Value));
            Assert.True(left.Changes.Zip(right.Changes).All(
                pair => pair.First.Key.Span.SequenceEqual(pair.Second.Key.Span)));
        }
    }
}
