using System.Text.Json;
using Ledger.Commits;
using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Trees;
using Xunit;

namespace Ledger.Tests.Commits;

public sealed class CommitTests
{
    [Fact]
    public void Encodings_and_ids_are_the_golden_ones()
    {
        var golden = JsonSerializer.Deserialize<Dictionary<string, string[]>>(
            TestData.ReadText("golden/commits.json"))!;

        foreach (var (name, commit) in CommitSamples.All)
        {
            var actual = $"{commit.Id} {Convert.ToHexStringLower(commit.Content.Span)}";
            Assert.True(string.Join(' ', golden[name]) == actual, $"'{name}' is {actual}");
        }

        Assert.Equal(CommitSamples.All.Keys, golden.Keys);
    }

    [Fact]
    public void What_is_decoded_is_what_was_encoded()
    {
        foreach (var commit in CommitSamples.All.Values)
        {
            var decoded = Commit.Decode(commit.Content);

            Assert.Equal(commit, decoded);
            Assert.Equal(
                (commit.Root, commit.Generation, commit.Timestamp, commit.SkipLink, commit.Author),
                (decoded.Root, decoded.Generation, decoded.Timestamp, decoded.SkipLink, decoded.Author));
            Assert.Equal(commit.Parents, decoded.Parents);
        }
    }

    [Fact]
    public void Mutated_encodings_are_rejected_or_mean_themselves()
    {
        var seeds = CommitSamples.All.Values.Select(commit => commit.Content.ToArray()).ToList();

        MutationFuzz.Run(
            "commit", seeds, content => Commit.Decode(content), count: 100_000, seed: 1,
            content => Commit.Decode(content).Content.ToArray());
    }

    [Fact]
    public void Genesis_is_the_empty_tree_without_parents()
    {
        Assert.Equal(Tree.EmptyRoot, Commit.Genesis.Root);
        Assert.Empty(Commit.Genesis.Parents);
        Assert.Equal((0, HybridTimestamp.Zero), (Commit.Genesis.Generation, Commit.Genesis.Timestamp));
        Assert.Equal(
            "fad15c2daf8d2c4436a8e6ec65c08724d737aaf328506e57ddbc7da4b3c40a0e", Commit.Genesis.Id.ToString());
    }

    [Fact]
    public void A_newer_version_and_an_unknown_profile_are_too_new()
    {
        var version = CommitSamples.All["first"].Content.ToArray();
        var profile = CommitSamples.All["first"].Content.ToArray();
        version[0] = 2;
        profile[1] = 2;

        Assert.Equal(2, Assert.Throws<FormatTooNewException>(() => Commit.Decode(version)).Version);
        Assert.Equal(2, Assert.Throws<FormatTooNewException>(() => Commit.Decode(profile)).Version);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 0)]
    [InlineData(2, 17)]
    public void Commits_that_break_a_rule_cannot_be_made(long generation, int parentCount)
    {
        var fields = new CommitFields
        {
            Root = CommitSamples.Hash(1),
            Parents =
            [
                .. Enumerable.Range(1, parentCount).Select(number => new CommitId(CommitSamples.Hash((byte)number))),
            ],
            Generation = generation,
            Timestamp = new HybridTimestamp(1),
            SkipLink = new CommitId(CommitSamples.Hash(200)),
            Author = null,
        };

        Assert.Throws<InvariantException>(() => Commit.Create(fields));
    }
}
