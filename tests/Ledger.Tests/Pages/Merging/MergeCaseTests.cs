using System.Text;
using Ledger.Commits;
using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Pages.Merging;
using Ledger.Trees;
using Xunit;

namespace Ledger.Tests.Pages.Merging;

/// <summary>The table of docs/merging.md.</summary>
public sealed class MergeCaseTests
{
    private static readonly EntryValue Elsewhere = EntryValue.OfObject(
        ObjectId.Of(ObjectKind.Value, "not in the store"u8), 600, EntryPriority.Lazy);

    // A value of several is written in that order; ! is lazy, @ a lazy value that is not here, - a deletion.
    [Theory]
    [InlineData("0", "1", "", "1", "1", "1")]
    [InlineData("0", "", "1", "1", "1", "1")]
    [InlineData("", "1", "", "1", "1", "1")]
    [InlineData("0", "-", "", "-", "-", "-")]
    [InlineData("0", "1", "1", "1", "1", "1")]
    [InlineData("0", "-", "-", "-", "-", "-")]
    [InlineData("0", "1", "2", "1", "ask", "1")]
    [InlineData("0", "-", "2", "-", "ask", "-")]
    [InlineData("0", "1", "-", "1", "ask", "1")]
    [InlineData("", "1", "2", "1", "ask", "1")]
    [InlineData("0", "1", "1!", "1", "ask", "1")]
    [InlineData("0", "1!", "1", "1!", "ask", "1!")]
    [InlineData("0", "1 0", "2", "0", "2", "2")]
    [InlineData("0", "@", "", "@", "@", "@")]
    [InlineData("0", "@", "2", "@", "ask", "@")]
    public async Task A_key_gets_what_the_table_says(
        string start, string left, string right, string byWriter, string automatic, string custom)
    {
        await using var world = await MergeWorld.CreateAsync();
        var root = await WriteAsync(world, Commit.Genesis, 1, $"{start} x");
        var older = await WriteAsync(world, root, 2, $"{right} o");
        var newer = await WriteAsync(world, root, 1000, $"{left} n");

        foreach (var (policy, expected) in new[]
        {
            (MergePolicy.LastOneWins, byWriter), (MergePolicy.AutomaticWithFallback, automatic),
            (MergePolicy.Custom, custom),
        })
        {
            var resolver = new TestResolver((_, _) => Task.CompletedTask);
            var settings = MergeSettings.Create(policy, policy == MergePolicy.LastOneWins ? null : resolver, null);

            var merged = await world.MergeAsync(older, newer, settings);
            var again = await world.MergeAsync(newer, older, settings);

            var isAsked = policy == MergePolicy.Custom || expected == "ask";
            Assert.Equal(isAsked ? 2 : 0, resolver.Calls);
            Assert.Equal(expected == "ask" ? custom : expected, Show(await world.FindAsync(merged, "k")));
            Assert.Equal(merged.Id, again.Id);
        }
    }

    [Fact]
    public async Task The_writer_of_a_key_wins_and_not_the_head_that_is_newer_by_another_key()
    {
        await using var world = await MergeWorld.CreateAsync();
        var root = await WriteAsync(world, Commit.Genesis, 1, "0");
        var oldEdit = await WriteAsync(world, root, 10, "old");
        var newerHead = await world.EditAsync(oldEdit, 0, 5000, new Dictionary<string, string?> { ["other"] = "1" });
        var newEdit = await WriteAsync(world, root, 1000, "new");

        var merged = await world.MergeAsync(newerHead, newEdit);

        Assert.Equal("new", Show(await world.FindAsync(merged, "k")));
    }

    [Fact]
    public async Task A_value_that_a_resolver_made_wins_over_what_it_was_made_from_whatever_the_ids()
    {
        for (var number = 0; number < 12; number++)
        {
            await using var world = await MergeWorld.CreateAsync();
            var left = await WriteAsync(world, Commit.Genesis, 10, $"l{number}");
            var right = await WriteAsync(world, Commit.Genesis, 5, $"r{number}");
            var third = await WriteAsync(world, Commit.Genesis, 3, "third");
            var resolver = new TestResolver((context, token) =>
                context.PutAsync("k"u8.ToArray(), "made"u8.ToArray(), cancellationToken: token));
            var made = await world.MergeAsync(
                left, right, MergeSettings.Create(MergePolicy.Custom, resolver, null));

            var merged = await world.MergeAsync(made, third);

            Assert.Equal("made", Show(await world.FindAsync(merged, "k")));
        }
    }

    [Fact]
    public async Task Both_values_are_kept_under_two_keys_and_no_two_of_a_deletion()
    {
        await using var world = await MergeWorld.CreateAsync();
        var root = await world.EditAsync(
            Commit.Genesis, 0, 1, new Dictionary<string, string?> { ["a"] = "0", ["b"] = "0" });
        var left = await world.EditAsync(root, 0, 1000, new Dictionary<string, string?> { ["a"] = "1", ["b"] = null });
        var right = await world.EditAsync(root, 1, 500, new Dictionary<string, string?> { ["a"] = "2", ["b"] = "3" });
        var third = await world.EditAsync(root, 2, 700, new Dictionary<string, string?> { ["a"] = "4" });
        var settings = MergeSettings.Create(MergePolicy.Custom, ConflictResolvers.KeepBoth(), null);

        var line = await world.MergeAsync(await world.MergeAsync(left, right, settings), third, settings);
        var other = await world.MergeAsync(await world.MergeAsync(right, third, settings), left, settings);

        var entries = await world.ReadAsync(line);
        Assert.Equal(line.Root, other.Root);
        Assert.Equal(["1", "2", "4"], entries.Where(pair => pair.Key[0] == 'a').Select(pair => pair.Value).Order());
        Assert.Equal(("1", "3"), (entries["a"], entries["b"]));
        Assert.Equal(4, entries.Count);
    }

    private static async Task<Commit> WriteAsync(MergeWorld world, Commit parent, ulong timestamp, string values)
    {
        var commit = parent;
        foreach (var value in values.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            // The letters write other keys, so that every side has a commit.
            var (key, change) = value is "x" or "o" or "n" ? (value, Parse("1")) : ("k", Parse(value));
            commit = await world.EditAsync(
                commit, 0, timestamp, [new TreeChange(Encoding.UTF8.GetBytes(key), change)]);
        }

        return commit;
    }

    private static EntryValue? Parse(string value) => value switch
    {
        "-" => null,
        "@" => Elsewhere,
        _ when value.EndsWith('!') => EntryValue.OfInline(Encoding.UTF8.GetBytes(value[..^1]), EntryPriority.Lazy),
        _ => EntryValue.OfInline(Encoding.UTF8.GetBytes(value)),
    };

    private static string Show(EntryValue? value) => value switch
    {
        null => "-",
        { IsInline: false } => "@",
        { } inline => Encoding.UTF8.GetString(inline.Inline.Span) + (inline.Priority == EntryPriority.Lazy ? "!" : ""),
    };
}
