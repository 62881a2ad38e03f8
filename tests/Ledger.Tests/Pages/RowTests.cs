using System.Text.Json;
using Ledger.Commits;
using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Pages;
using Ledger.Pages.Rows;
using Ledger.Runtime;
using Ledger.Tests.Commits;
using Ledger.Trees;
using Xunit;

namespace Ledger.Tests.Pages;

public sealed class RowTests
{
    private static readonly PageId Page = new([.. Enumerable.Range(1, 16).Select(value => (byte)value)]);
    private static readonly CommitId SomeCommit = new(CommitSamples.Hash(7));

    [Fact]
    public void Encodings_are_the_golden_ones()
    {
        var golden = JsonSerializer.Deserialize<Dictionary<string, string>>(TestData.ReadText("golden/rows.json"))!;

        foreach (var (name, content) in Samples().Concat(Keys()))
        {
            var actual = Convert.ToHexStringLower(content);
            Assert.True(golden.GetValueOrDefault(name) == actual, $"'{name}' is {actual}.");
        }
    }

    [Fact]
    public void Mutated_rows_are_rejected_or_mean_themselves()
    {
        Fuzz("settings", content => SettingsRow.Decode(content.Span).Encode());
        Fuzz("page", content => PageRow.Decode(content.Span).Encode());
        Fuzz("head", content => HeadRow.Decode(content.Span).Encode());
        Fuzz("commit", content => CommitRow.Decode(content.Span).Encode());
        Fuzz("journal", content => JournalRow.Decode(content).Encode());
    }

    [Fact]
    public void Rows_of_a_newer_version_are_too_new()
    {
        foreach (var (name, content) in Samples())
        {
            content[0] = 2;

            Assert.Throws<FormatTooNewException>(() => DecoderOf(name)(content));
        }
    }

    [Fact]
    public void Keys_say_what_they_were_made_of()
    {
        var place = new JournalPlace(3, 4, 5);

        Assert.Equal(Page, RowKeys.ReadPage(RowKeys.Page(Page)));
        Assert.Equal(9u, RowKeys.ReadBranch(RowKeys.Head(Page, 9)));
        Assert.Equal(SomeCommit, RowKeys.ReadCommit(RowKeys.Commit(Page, SomeCommit)));
        Assert.Equal(place, RowKeys.ReadJournalPlace(RowKeys.JournalEntry(Page, place)));
        Assert.Equal([(byte)'h', 2], RowKeys.EndOf([(byte)'h', 1, 255, 255]));
        Assert.Throws<CorruptObjectException>(() => RowKeys.ReadPage(RowKeys.Head(Page, 9)));
        Assert.Throws<CorruptObjectException>(() => RowKeys.ReadBranch(RowKeys.Page(Page)));
    }

    private static void Fuzz(string kind, Func<ReadOnlyMemory<byte>, byte[]> reencode)
    {
        var seeds = Samples().Where(sample => sample.Name.StartsWith(kind, StringComparison.Ordinal))
            .Select(sample => sample.Content).ToList();

        MutationFuzz.Run($"{kind} row", seeds, content => reencode(content), count: 100_000, seed: 4, reencode);
    }

    private static Action<byte[]> DecoderOf(string name) => name.Split(' ')[0] switch
    {
        "settings" => content => SettingsRow.Decode(content),
        "page" => content => PageRow.Decode(content),
        "head" => content => HeadRow.Decode(content),
        "commit" => content => CommitRow.Decode(content),
        _ => content => JournalRow.Decode(content),
    };

    private static List<(string Name, byte[] Content)> Samples() =>
    [
        ("settings", new SettingsRow("Notizbücher", new(1, 2), new(3, 4), 1_790_000_000_000).Encode()),
        ("settings longest name", new SettingsRow(new string('n', 255), new(5, 6), new(7, 8), 0).Encode()),
        ("page live", new PageRow(false, 1, 1_790_000_000_000, HybridTimestamp.Zero).Encode()),
        ("page deleted", new PageRow(true, uint.MaxValue, 0, new HybridTimestamp(ulong.MaxValue)).Encode()),
        ("head", new HeadRow(1, SomeCommit, 300).Encode()),
        ("head on genesis", new HeadRow(2, Commit.Genesis.Id, 0).Encode()),
        ("commit", new CommitRow(1, SomeCommit, new ChangeList(CommitSamples.Hash(1), 2, 1000)).Encode()),
        ("commit without changes", new CommitRow(1, SomeCommit, ChangeList.Empty).Encode()),
        ("journal put", Journal(EntryValue.OfInline("value"u8.ToArray(), EntryPriority.Lazy)).Encode()),
        ("journal object", Journal(EntryValue.OfObject(CommitSamples.Hash(2), 5000)).Encode()),
        ("journal delete", Journal(null).Encode()),
        ("journal clear", new JournalRow(new HybridTimestamp(1 << 20), 0, null).Encode()),
    ];

    private static JournalRow Journal(EntryValue? value) => new(
        new HybridTimestamp(0x1234_5678_0001), 1_790_000_000_000, new TreeChange("key"u8.ToArray(), value));

    private static List<(string Name, byte[] Content)> Keys() =>
    [
        ("key of settings", RowKeys.Settings.ToArray()),
        ("key of a page", RowKeys.Page(Page)),
        ("key of a head", RowKeys.Head(Page, 9)),
        ("key of a commit", RowKeys.Commit(Page, SomeCommit)),
        ("key of a journal entry", RowKeys.JournalEntry(Page, new JournalPlace(3, 4, 5))),
    ];
}
