using System.Text;
using Ledger.Streams;
using Xunit;

namespace Ledger.Conformance.Streams;

/// <summary>Names and limits: what is taken has no effect on anything but itself, and the rest is refused.</summary>
public abstract partial class StreamStoreConformance
{
    private static readonly string[] Nasty =
    [
        "'; DROP TABLE orders; --", "\" OR 1=1", "%", "_", "\\", "select", "NULL", "ß", "SS", "é", "e\u0301", "İ",
        "\u202Eabc", "\U0001F980", " ", "\t\n", "{}", "[1]", "$.a", "@p0", ":x", "?1", "ORDERS", "orders", "$1", "--",
    ];

    [Fact]
    public async Task Names_and_texts_mean_nothing_but_themselves()
    {
        var store = await OpenAsync();
        foreach (var text in Nasty)
        {
            await store.AppendAsync(text, New(text, text) with
            {
                OrderKey = text,
                Tags = [text],
                Metadata = Pairs(text, text),
            });
            var id = (await store.GetInfoAsync(text))!.End;
            await store.SetAnnotationsAsync(text, id, Changes((text, text)));
        }

        foreach (var text in Nasty)
        {
            var filter = new EntryFilter
            {
                OrderKey = text,
                Tags = [text],
                Metadata = Pairs(text, text),
                Annotations = Pairs(text, text),
            };
            var found = Assert.Single(await store.ReadAllAsync(filter: filter).ToListAsync());
            Assert.Equal((text, text, text, text), (found.Stream, Text(found), found.OrderKey, found.DedupKey));
            Assert.Equal(
                Nasty.Where(other => other.ToUpperInvariant().Contains(
                    text.ToUpperInvariant(), StringComparison.Ordinal)),
                await store.SearchAsync(text).Select(Text).ToArrayAsync());
        }

        Assert.Equal(Nasty.Length, await store.ListStreamsAsync().CountAsync());
    }

    [Theory]
    [InlineData("select")]
    [InlineData("order")]
    [InlineData("_")]
    [InlineData("a23456789_123456789_123456789_123456789_12345678")]
    [InlineData("ledger_entries")]
    [InlineData("Table")]
    public async Task Store_names_of_every_form_work(string name)
    {
        var store = await OpenAsync(name);
        var other = await OpenAsync(name.Length == 48 ? name[..47] + "9" : "x" + name);

        await store.AppendAsync("s", New("1", "k"));
        await other.AppendAsync("s", New("2", "k"));

        Assert.Equal(["1"], await TextsAsync(store, "s"));
        Assert.Equal(["2"], await TextsAsync(other, "s"));
        Assert.Equal(1, (await store.AppendAsync("s", New("1", "k"))).DuplicateCount);
    }

    [Theory]
    [InlineData("")]
    [InlineData("1a")]
    [InlineData("a-b")]
    [InlineData("a b")]
    [InlineData("ä")]
    [InlineData("a\"b")]
    [InlineData("ledger_x")]
    [InlineData("Ledger_Streams")]
    [InlineData("sqlite_x")]
    [InlineData("Json_Each")]
    [InlineData("a23456789_123456789_123456789_123456789_123456789")]
    public async Task Other_store_names_are_refused(string name) =>
        await Assert.ThrowsAsync<ArgumentException>(async () => await (await OpenAsync(name)).EnsureCreatedAsync());

    [Fact]
    public async Task Limits_count_characters_and_hold_at_the_limit_and_not_one_over()
    {
        var store = await OpenAsync();
        static string Crabs(int count) => new StringBuilder().Insert(0, "\U0001F980", count).ToString();
        static Dictionary<string, string> Many(int count) =>
            Enumerable.Range(0, count).ToDictionary(n => $"k{n}", _ => "v");
        async Task Check(Func<int, (string Stream, NewEntry Entry)> make, int max)
        {
            var (stream, entry) = make(max);
            var result = await store.AppendAsync(stream, entry);
            Assert.NotNull(await store.FindAsync(result.End));
            (stream, entry) = make(max + 1);
            await Assert.ThrowsAsync<ArgumentException>(async () => await store.AppendAsync(stream, entry));
        }

        await Check(n => (Crabs(n), New("x")), StreamLimits.StreamNameLengthMax);
        await Check(n => ("s", New("x") with { OrderKey = Crabs(n) }), StreamLimits.KeyLengthMax);
        await Check(n => ("s", New("x", Crabs(n))), StreamLimits.KeyLengthMax);
        await Check(n => ("s", New("x") with { SourceId = Crabs(n) }), StreamLimits.KeyLengthMax);
        await Check(n => ("s", New("x") with { Tags = [Crabs(n)] }), StreamLimits.TagLengthMax);
        await Check(
            n => ("s", New("x") with { Tags = [.. Enumerable.Range(0, n).Select(i => $"t{i}")] }),
            StreamLimits.TagsMax);
        await Check(n => ("s", New("x") with { Metadata = Pairs(Crabs(n), "") }), StreamLimits.PairKeyLengthMax);
        await Check(n => ("s", New("x") with { Metadata = Pairs("k", Crabs(n)) }), StreamLimits.PairValueLengthMax);
        await Check(n => ("s", New("x") with { Metadata = Many(n) }), StreamLimits.PairsMax);
        await Check(n => ("s", new NewEntry(new byte[n])), StreamLimits.PayloadSizeBytesMax);
    }

    [Fact]
    public async Task Limits_of_what_is_changed_asked_and_named_hold_at_the_limit_and_not_one_over()
    {
        var store = await OpenAsync();
        var id = (await FillAsync(store, "s", "x"))[0];
        static string Crabs(int count) => new StringBuilder().Insert(0, "\U0001F980", count).ToString();
        static string[] Tags(int count) => [.. Enumerable.Range(0, count).Select(n => $"t{n}")];
        static async Task Check(int max, Func<int, Task> use)
        {
            await use(max);
            await Assert.ThrowsAsync<ArgumentException>(() => use(max + 1));
        }

        await Check(StreamLimits.SearchLengthMax, async n => Assert.Empty(await TextsFoundAsync(Crabs(n), default)));
        if (Promised.HasFlag(StreamStoreCapabilities.FullText))
        {
            await Check(
                StreamLimits.SearchLengthMax,
                async n => Assert.Empty(await TextsFoundAsync(new string('a', n), SearchMode.FullText)));
        }

        await Check(
            StreamLimits.KeyLengthMax, async n => Assert.Null(await store.FindBySourceIdAsync("s", Crabs(n))));
        await Check(StreamLimits.TagLengthMax, async n => await store.SetTagsAsync("s", id, [Crabs(n)]));
        await Check(StreamLimits.TagsMax, async n => await store.SetTagsAsync("s", id, Tags(n)));
        await Check(
            StreamLimits.PairKeyLengthMax,
            async n => await store.SetAnnotationsAsync("s", id, Changes((Crabs(n), ""))));
        await Check(
            StreamLimits.PairValueLengthMax,
            async n => await store.SetAnnotationsAsync("s", id, Changes(("k", Crabs(n)))));
        await Check(
            StreamLimits.ConsumerNameLengthMax,
            async n => Assert.True(await store.ResetConsumerAsync(Crabs(n), default, create: true)));
        await Check(
            StreamLimits.ConsumerNameLengthMax,
            async n => await (await store.AcquireConsumerAsync(Crabs(n))).DisposeAsync());
        await Check(
            StreamLimits.ConsumerNameLengthMax,
            async n => Assert.False(await store.ReleaseParkedAsync(Crabs(n), new Position(1), retry: true)));
        var names = await store.ListConsumersAsync();
        await Check(
            StreamLimits.ConsumerNameLengthMax, async n => Assert.True(await store.DropConsumerAsync(Crabs(n))));
        await Check(StreamLimits.StreamNameLengthMax, async n => await store.RenameAsync("s", Crabs(n)));

        var entry = Assert.Single(await store.ReadAllAsync().ToListAsync());
        Assert.Equal(Crabs(StreamLimits.StreamNameLengthMax), entry.Stream);
        Assert.Equal(Tags(StreamLimits.TagsMax), entry.Tags);
        Assert.Equal(2, entry.Annotations.Count);
        Assert.Equal("", entry.Annotations[Crabs(StreamLimits.PairKeyLengthMax)]);
        Assert.Equal(Crabs(StreamLimits.PairValueLengthMax), entry.Annotations["k"]);
        Assert.Equal(Crabs(StreamLimits.ConsumerNameLengthMax), Assert.Single(names).Name);

        async Task<List<string>> TextsFoundAsync(string query, SearchMode mode) =>
            await store.SearchAsync(query, new() { Mode = mode }).Select(Text).ToListAsync();
    }

    [Fact]
    public async Task Batches_have_limits_too()
    {
        var store = await OpenAsync();
        NewEntry[] most = [.. Enumerable.Repeat(new NewEntry(new byte[1]), StreamLimits.BatchEntriesMax)];
        var half = new NewEntry(new byte[StreamLimits.BatchSizeBytesMax / 2]);

        await store.AppendAsync("s", most);
        await store.AppendAsync("s", [half, half]);

        await Refused([]);
        await Refused([.. most, most[0]]);
        await Refused([half, half, most[0]]);
        Assert.Equal(StreamLimits.BatchEntriesMax + 2, await store.CountAsync("s"));

        async Task Refused(NewEntry[] batch) =>
            await Assert.ThrowsAsync<ArgumentException>(async () => await store.AppendAsync("s", batch));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a", 0)]
    [InlineData("a", 0xD800)]
    [InlineData("", 0xDC00, 0xD800)]
    public async Task Empty_names_NUL_and_half_a_surrogate_pair_are_refused(string begin, params int[] units)
    {
        // As numbers: an attribute is kept as UTF-8, which has no half pairs.
        var text = begin + string.Concat(units.Select(unit => (char)unit));
        var store = await OpenAsync();
        var id = (await store.AppendAsync("s", New("1"))).End;

        await Refused(async () => await store.AppendAsync(text, New("1")));
        await Refused(async () => await store.AppendAsync("s", New("1", text)));
        await Refused(async () => await store.AppendAsync("s", New("1") with { Tags = [text] }));
        await Refused(async () => await store.AppendAsync("s", New("1") with { Metadata = Pairs(text, "v") }));
        await Refused(async () => await store.SetTagsAsync("s", id, [text]));
        await Refused(async () => await store.SetAnnotationsAsync("s", id, Changes((text, "v"))));
        await Refused(async () => await store.RenameAsync("s", text));
        await Refused(async () => await store.CountAsync(text));
        await Refused(async () => await store.SearchAsync(text).CountAsync());
        Assert.Equal(1, await store.ReadAllAsync().CountAsync());

        static async Task Refused(Func<Task> attempt) => await Assert.ThrowsAsync<ArgumentException>(attempt);
    }
}
