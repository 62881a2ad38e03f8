using System.Globalization;
using Ledger.Streams;
using Xunit;

namespace Ledger.Conformance.Streams;

/// <summary>Reading: bounds, direction, filters, pages, search and lists.</summary>
public abstract partial class StreamStoreConformance
{
    [Fact]
    public async Task A_stream_that_does_not_exist_reads_as_empty()
    {
        var store = await OpenAsync();

        Assert.Empty(await TextsAsync(store, "none"));
        Assert.Equal(0, await store.CountAsync("none"));
        Assert.Null(await store.GetInfoAsync("none"));
        Assert.Null(await store.FindAsync(EntryId.Of(1)));
        Assert.Null(await store.FindAsync(new EntryId(UInt128.MaxValue)));
        Assert.Empty(await store.ReadAllAsync().ToListAsync());
    }

    [Fact]
    public async Task Bounds_are_exclusive_and_need_not_exist()
    {
        var store = await OpenAsync();
        var ids = await FillAsync(store, "s", "1", "2", "3", "4", "5");
        await FillAsync(store, "t", "x");

        Assert.Equal(["3", "4", "5"], await TextsAsync(store, "s", new() { After = ids[1] }));
        Assert.Equal(["3", "4"], await TextsAsync(store, "s", new() { After = ids[1], Before = ids[4] }));
        Assert.Equal(["2", "1"], await TextsAsync(store, "s", new() { Before = ids[2], Descending = true }));
        Assert.Equal(["5", "4"], await TextsAsync(store, "s", new() { Descending = true, Limit = 2 }));
        Assert.Equal(["1"], await TextsAsync(store, "s", new() { Limit = 1 }));
        Assert.Empty(await TextsAsync(store, "s", new() { After = EntryId.Of(1_000_000) }));
        Assert.Equal(5, (await TextsAsync(store, "s", new() { Before = new EntryId(UInt128.MaxValue) })).Length);
    }

    [Fact]
    public async Task Every_entry_comes_once_over_many_pages()
    {
        var store = await OpenAsync();
        string[] texts = [.. Enumerable.Range(0, 1_203).Select(n => n.ToString(CultureInfo.InvariantCulture))];
        await FillAsync(store, "s", texts);

        Assert.Equal(texts, await TextsAsync(store, "s"));
        Assert.Equal(texts.Reverse(), await TextsAsync(store, "s", new() { Descending = true }));
        Assert.Equal(texts.Take(1_000), await TextsAsync(store, "s", new() { Limit = 1_000 }));
        Assert.Equal(texts.Skip(3), await store.ReadAllAsync(new Position(3)).Select(Text).ToArrayAsync());
        Assert.Equal(7, await store.ReadAllAsync(new Position(1_100), limit: 7).CountAsync());
    }

    [Fact]
    public async Task What_is_appended_during_a_reading_is_not_of_it()
    {
        var store = await OpenAsync();
        await FillAsync(store, "s", [.. Enumerable.Range(0, 700).Select(n => $"{n}")]);

        var count = 0;
        await foreach (var _ in store.ReadAsync("s"))
        {
            if (count++ == 0)
            {
                await FillAsync(store, "s", "late");
            }
        }

        Assert.Equal(700, count);
    }

    [Fact]
    public async Task What_is_trimmed_during_a_reading_disappears_between_pages()
    {
        var store = await OpenAsync();
        var ids = await FillAsync(store, "s", [.. Enumerable.Range(0, 2_100).Select(n => $"{n}")]);

        var read = new List<EntryId>();
        await foreach (var entry in store.ReadAsync("s"))
        {
            if (read.Count == 0)
            {
                await store.TrimAsync("s", ids[1_799]);
                await store.RenameAsync("s", "renamed");
                await store.RenameAsync("renamed", "s");
            }

            read.Add(entry.Id);
        }

        Assert.Equal(ids.Take(1_000).Concat(ids.Skip(1_800)), read);
    }

    [Fact]
    public async Task Filters_hold_together()
    {
        var store = await OpenAsync();
        var time = DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_000);
        NewEntry Make(int n) => New($"{n}") with
        {
            OrderKey = n % 2 == 0 ? "even" : "odd",
            Tags = n % 3 == 0 ? ["three", "all"] : ["all"],
            Metadata = new Dictionary<string, string> { ["last"] = $"{n % 5}", ["a.b\"c"] = "x" },
            CreatedAt = time.AddSeconds(n),
        };
        var result = await store.AppendAsync("s", [.. Enumerable.Range(0, 30).Select(Make)]);
        await store.SetAnnotationsAsync("s", result.Entries[6].Id, Changes(("seen", "yes")));

        async Task Expect(IEnumerable<int> numbers, EntryFilter filter) => Assert.Equal(
            numbers.Select(n => $"{n}"), await TextsAsync(store, "s", new() { Filter = filter }));

        await Expect(Enumerable.Range(0, 15).Select(n => 2 * n), new() { OrderKey = "even" });
        await Expect(Enumerable.Range(0, 10).Select(n => 3 * n), new() { Tags = ["three"] });
        await Expect([0, 6, 12, 18, 24], new() { Tags = ["all", "three"], OrderKey = "even" });
        await Expect([4, 9, 14, 19, 24, 29], new() { Metadata = Pairs("last", "4") });
        await Expect(Enumerable.Range(0, 30), new() { Metadata = Pairs("a.b\"c", "x") });
        await Expect([6], new() { Annotations = Pairs("seen", "yes") });
        await Expect([], new() { Annotations = Pairs("seen", "no") });
        await Expect([], new() { Tags = ["thre"] });
        await Expect([], new() { OrderKey = "EVEN" });
        await Expect([10, 11], new() { CreatedFrom = time.AddSeconds(10), CreatedBefore = time.AddSeconds(12) });
        var all = await store.ReadAllAsync(filter: new() { Tags = ["three"] }).CountAsync();
        Assert.Equal(10, all);
    }

    [Fact]
    public async Task A_search_is_a_piece_of_the_text_without_regard_to_case()
    {
        var store = await OpenAsync();
        await FillAsync(
            store, "s", "Grüße aus KÖLN", "100% sure", "100 percent", "a_b", "aXb", "it's \"quoted\" \\ back");
        await FillAsync(store, "t", "grüße");
        await store.AppendAsync("s", new NewEntry("grüße"u8.ToArray()));

        async Task Expect(string query, string[] texts, SearchOptions? options = null) => Assert.Equal(
            texts, await store.SearchAsync(query, options).Select(Text).ToArrayAsync());

        await Expect("GRÜSSE", []);
        await Expect("gRÜßE", ["Grüße aus KÖLN", "grüße"]);
        await Expect("köln", ["Grüße aus KÖLN"], new() { Stream = "s" });
        await Expect("100%", ["100% sure"]);
        await Expect("a_b", ["a_b"]);
        await Expect("'", ["it's \"quoted\" \\ back"]);
        await Expect("\\", ["it's \"quoted\" \\ back"]);
        await Expect("grüße", ["grüße"], new() { Read = new() { Descending = true, Limit = 1 } });
        await Expect("e", [], new() { Stream = "none" });
    }

    [Fact]
    public async Task Words_are_found_where_the_store_promises_it_and_refused_elsewhere()
    {
        var store = await OpenAsync();
        var options = new SearchOptions { Mode = SearchMode.FullText };
        var ids = await FillAsync(store, "s", "red green blue", "red yellow", "greenish \"red");

        if (!store.Capabilities.HasFlag(StreamStoreCapabilities.FullText))
        {
            var refused = await Assert.ThrowsAsync<NotSupportedByStoreException>(
                async () => await store.SearchAsync("red", options).ToListAsync());
            Assert.Equal(StreamStoreCapabilities.FullText, refused.Capability);
            return;
        }

        Assert.Equal(["red green blue"], await store.SearchAsync("green RED", options).Select(Text).ToArrayAsync());
        Assert.Equal(3, await store.SearchAsync("red", options).CountAsync());
        Assert.Equal(0, await store.SearchAsync("red OR NOT \"*(", options).CountAsync());
        await store.TrimAsync("s", ids[0]);
        Assert.Equal(2, await store.SearchAsync("red", options).CountAsync());
    }

    [Fact]
    public async Task Streams_are_listed_by_scalar_value()
    {
        var store = await OpenAsync();
        string[] names = ["A", "a", "b/c", "user-1", "user-10", "user-2", "é", "\uFFFD", "\U0001F980"];
        foreach (var name in names.Reverse())
        {
            await FillAsync(store, name, "x");
        }

        await store.TrimAsync("a", EntryId.Of(1_000));

        Assert.Equal(names.Where(name => name != "a"), await store.ListStreamsAsync().ToListAsync());
        Assert.Equal(names, await store.ListStreamsAsync(new() { IncludeEmpty = true }).ToListAsync());
        Assert.Equal(["user-1", "user-10"],
            await store.ListStreamsAsync(new() { After = "b/c", Limit = 2 }).ToListAsync());
        Assert.Empty(await store.ListStreamsAsync(new() { After = "\U0001F980" }).ToListAsync());
    }

    [Fact]
    public async Task What_is_known_of_a_stream_follows_it()
    {
        var store = await OpenAsync();
        var ids = await FillAsync(store, "s", "1", "2", "3");

        var full = await store.GetInfoAsync("s");
        await store.TrimAsync("s", ids[0]);
        var rest = await store.GetInfoAsync("s");
        await store.TrimAsync("s", ids[2]);
        var empty = await store.GetInfoAsync("s");

        Assert.Equal(new StreamInfo("s", 3, ids[0], ids[2], ids[2]), full);
        Assert.Equal(new StreamInfo("s", 2, ids[1], ids[2], ids[2]), rest);
        Assert.Equal(new StreamInfo("s", 0, null, null, ids[2]), empty);
    }

    [Fact]
    public async Task An_entry_is_found_by_where_it_came_from()
    {
        var store = await OpenAsync();
        var result = await store.AppendAsync("s", New("1") with { SourceId = "a/1" });

        Assert.Equal(result.End, (await store.FindBySourceIdAsync("s", "a/1"))!.Id);
        Assert.Null(await store.FindBySourceIdAsync("s", "a/2"));
        Assert.Null(await store.FindBySourceIdAsync("t", "a/1"));
    }

    private static Dictionary<string, string> Pairs(string key, string value) => new() { [key] = value };
}
