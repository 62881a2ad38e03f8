using System.Globalization;
using Ledger.Streams;
using Xunit;

namespace Ledger.Conformance.Streams;

/// <summary>Changing: tags, annotations, trimming and renaming alter what they name and nothing else.</summary>
public abstract partial class StreamStoreConformance
{
    [Fact]
    public async Task Tags_are_replaced()
    {
        var store = await OpenAsync();
        var id = (await store.AppendAsync("s", New("1") with { Tags = ["old"] })).End;

        await store.SetTagsAsync("s", id, ["new", "other", "new"]);
        var tagged = await store.FindAsync(id);
        await store.SetTagsAsync("s", id, []);
        var cleared = await store.FindAsync(id);

        Assert.Equal(["new", "other"], tagged!.Tags);
        Assert.NotNull(tagged.UpdatedAt);
        Assert.Empty(cleared!.Tags);
        Assert.Equal("1", Text(cleared));
    }

    [Fact]
    public async Task Annotations_are_merged_and_null_deletes()
    {
        var store = await OpenAsync();
        var ids = await FillAsync(store, "s", "1", "2");

        await store.SetAnnotationsAsync("s", ids[0], Changes(("a", "1"), ("b", "2"), ("key.with \"all\" $", "{}")));
        await store.SetAnnotationsAsync("s", ids[0], Changes(("a", null), ("c", ""), ("none", null)));

        var changed = (await store.FindAsync(ids[0]))!;
        Assert.Equal(
            [("b", "2"), ("c", ""), ("key.with \"all\" $", "{}")],
            changed.Annotations.Select(pair => (pair.Key, pair.Value)).Order());
        Assert.NotNull(changed.UpdatedAt);
        Assert.Empty((await store.FindAsync(ids[1]))!.Annotations);
    }

    [Fact]
    public async Task Concurrent_merges_lose_nothing()
    {
        var store = await OpenAsync();
        var id = (await store.AppendAsync("s", New("1"))).End;

        await Task.WhenAll(Enumerable.Range(0, 16).Select(n => Task.Run(
            async () => await store.SetAnnotationsAsync("s", id, Changes(($"k{n}", $"{n}"))))));

        Assert.Equal(16, (await store.FindAsync(id))!.Annotations.Count);
    }

    [Fact]
    public async Task An_entry_has_at_most_64_annotations()
    {
        var store = await OpenAsync();
        var id = (await store.AppendAsync("s", New("1"))).End;
        await store.SetAnnotationsAsync(
            "s", id, Changes([.. Enumerable.Range(0, 64).Select(n => ($"k{n}", (string?)"v"))]));

        await Assert.ThrowsAsync<ArgumentException>(
            async () => await store.SetAnnotationsAsync("s", id, Changes(("one-more", "v"))));
        await store.SetAnnotationsAsync("s", id, Changes(("k0", null), ("instead", "v")));

        Assert.Equal(64, (await store.FindAsync(id))!.Annotations.Count);
    }

    [Fact]
    public async Task What_does_not_exist_cannot_be_changed()
    {
        var store = await OpenAsync();
        var id = (await store.AppendAsync("s", New("1"))).End;

        foreach (var (stream, wrong) in new[]
            { ("s", EntryId.Of(99)), ("t", id), ("s", default(EntryId)), ("s", new EntryId(UInt128.MaxValue)) })
        {
            var tags = await Assert.ThrowsAsync<EntryNotFoundException>(
                async () => await store.SetTagsAsync(stream, wrong, ["x"]));
            await Assert.ThrowsAsync<EntryNotFoundException>(
                async () => await store.SetAnnotationsAsync(stream, wrong, Changes(("x", "y"))));
            Assert.Equal((stream, wrong), (tags.Stream, tags.Id));
        }

        Assert.Empty((await store.FindAsync(id))!.Tags);
    }

    [Fact]
    public async Task Trimming_is_inclusive_and_touches_one_stream()
    {
        var store = await OpenAsync();
        var first = await FillAsync(store, "s", "1", "2");
        var other = await FillAsync(store, "t", "x");
        var second = await FillAsync(store, "s", "3");

        Assert.Equal(2, await store.TrimAsync("s", other[0]));
        Assert.Equal(0, await store.TrimAsync("s", first[1]));
        Assert.Equal(0, await store.TrimAsync("none", second[0]));

        Assert.Equal(["3"], await TextsAsync(store, "s"));
        Assert.Equal(["x"], await TextsAsync(store, "t"));
        var left = await store.ReadAllAsync().Select(entry => entry.Position!.Value.Value).ToArrayAsync();
        Assert.Equal([3, 4], left);
        Assert.Equal(1, await store.TrimAsync("s", new EntryId(UInt128.MaxValue)));
    }

    [Fact]
    public async Task A_renamed_stream_is_the_same_stream()
    {
        var store = await OpenAsync();
        var ids = await FillAsync(store, "old", "1", "2");
        await store.SetTagsAsync("old", ids[0], ["kept"]);

        await store.RenameAsync("old", "new");
        await store.RenameAsync("new", "new");
        await store.AppendAsync("new", New("3"), ExpectedEnd.At(ids[1]));
        await FillAsync(store, "old", "other");

        Assert.Equal(["1", "2", "3"], await TextsAsync(store, "new"));
        Assert.Equal(["other"], await TextsAsync(store, "old"));
        Assert.Equal(["kept"], (await store.FindAsync(ids[0]))!.Tags);
        Assert.Equal("new", (await store.FindAsync(ids[0]))!.Stream);
    }

    [Fact]
    public async Task Streams_that_are_renamed_elsewhere_have_their_new_names_at_once()
    {
        var store = await OpenAsync();
        var other = IsShared ? await OpenAsync() : store;
        await FillAsync(store, "a", "1", "x");
        await FillAsync(store, "b", "2", "x");
        await FillAsync(store, "c", "3", "x");
        var all = async () => string.Join(' ', await store.ReadAllAsync().Select(entry => entry.Stream).ToArrayAsync());
        var found = async () => string.Join(
            ' ', await store.SearchAsync("x").Select(entry => entry.Stream).ToArrayAsync());
        var before = (await all(), await found(), await all());

        await other.RenameAsync("a", "free");
        await other.RenameAsync("b", "a");
        await other.RenameAsync("free", "b");
        var swapped = (await all(), await found());
        await other.RenameAsync("c", "d");
        await FillAsync(other, "c", "4");
        var later = (await found(), await all());

        Assert.Equal(("a a b b c c", "a b c", "a a b b c c"), before);
        Assert.Equal(("b b a a c c", "b a c"), swapped);
        Assert.Equal(("b a d", "b b a a d d c"), later);
    }

    [Fact]
    public async Task Names_on_one_page_are_of_one_moment_while_streams_are_renamed()
    {
        const int Renames = 60;
        var store = await OpenAsync();
        var other = IsShared ? await OpenAsync() : store;
        string[] names = ["0", "1", "2"];
        foreach (var name in names)
        {
            await FillAsync(store, name, "x");
        }

        // After each rename the newest name says what the others are.
        var states = new Dictionary<int, string> { [2] = string.Join(' ', names) };
        var renames = new List<(string From, string To)>();
        for (var n = 3; n < Renames; n++)
        {
            renames.Add((names[n % 3], $"{n}"));
            names[n % 3] = $"{n}";
            states[n] = string.Join(' ', names);
        }

        var renaming = Task.Run(async () =>
        {
            foreach (var (from, to) in renames)
            {
                await other.RenameAsync(from, to);
            }
        });
        var newest = 2;
        while (newest < Renames - 1)
        {
            var isOver = renaming.IsCompleted;
            var seen = await store.ReadAllAsync().Select(entry => entry.Stream).ToArrayAsync();
            var now = seen.Max(name => int.Parse(name, CultureInfo.InvariantCulture));

            Assert.Equal(states[now], string.Join(' ', seen));
            Assert.InRange(now, isOver ? Renames - 1 : newest, Renames - 1);
            newest = now;
        }

        await renaming;
    }

    [Theory]
    [InlineData("there", "taken", "exists")]
    [InlineData("missing", "taken", "exists")]
    [InlineData("there", "emptied", "exists")]
    [InlineData("missing", "free", "unknown")]
    [InlineData("missing", "missing", "unknown")]
    [InlineData("there", "there", "done")]
    [InlineData("there", "THERE", "done")]
    public async Task A_rename_is_decided_by_the_target_first(string from, string to, string outcome)
    {
        var store = await OpenAsync();
        await FillAsync(store, "there", "1");
        await FillAsync(store, "taken", "2");
        await FillAsync(store, "emptied", "3");
        await store.TrimAsync("emptied", EntryId.Of(99));

        var attempt = async () => await store.RenameAsync(from, to);

        switch (outcome)
        {
            case "exists":
                Assert.Equal(to, (await Assert.ThrowsAsync<StreamExistsException>(attempt)).Stream);
                break;
            case "unknown":
                Assert.Equal(from, (await Assert.ThrowsAsync<StreamNotFoundException>(attempt)).Stream);
                break;
            default:
                await attempt();
                Assert.Equal(["1"], await TextsAsync(store, to));
                break;
        }
    }

    private static Dictionary<string, string?> Changes(params (string Key, string? Value)[] changes) =>
        changes.ToDictionary(change => change.Key, change => change.Value);
}
