using System.Collections.Concurrent;
using System.Globalization;
using Ledger.Streams;
using Xunit;

namespace Ledger.Conformance.Streams;

/// <summary>Appending: what is written, what is a duplicate, what is a conflict.</summary>
public abstract partial class StreamStoreConformance
{
    [Fact]
    public async Task An_entry_comes_back_as_it_was_appended()
    {
        var store = await OpenAsync();
        var entry = new NewEntry(new byte[] { 0, 1, 255, 39, 0 })
        {
            OrderKey = "customer-'1'",
            DedupKey = "once",
            SourceId = "elsewhere/7",
            SchemaVersion = 3,
            Metadata = new Dictionary<string, string> { ["who"] = "me", ["empty"] = "" },
            Tags = ["a", "b", "a"],
            CreatedAt = DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_123),
        };

        var result = await store.AppendAsync("s", entry);

        var stored = await store.FindAsync(result.Entries[0].Id);
        Assert.NotNull(stored);
        Assert.Equal(entry.Payload.ToArray(), stored.Payload.ToArray());
        Assert.Equal(("customer-'1'", "once", "elsewhere/7", 3),
            (stored.OrderKey, stored.DedupKey, stored.SourceId, stored.SchemaVersion));
        Assert.Equal(entry.Metadata.OrderBy(pair => pair.Key), stored.Metadata.OrderBy(pair => pair.Key));
        Assert.Equal(["a", "b"], stored.Tags);
        Assert.Empty(stored.Annotations);
        Assert.Equal(entry.CreatedAt, stored.CreatedAt);
        Assert.Null(stored.UpdatedAt);
        Assert.Equal(("s", result.End, new Position(1)), (stored.Stream, stored.Id, stored.Position));
    }

    [Fact]
    public async Task An_entry_with_nothing_but_an_empty_payload_is_an_entry()
    {
        var store = await OpenAsync();

        await store.AppendAsync("s", new NewEntry(ReadOnlyMemory<byte>.Empty));

        var stored = await store.ReadAsync("s").SingleAsync();
        Assert.Equal(0, stored.Payload.Length);
        Assert.Equal((null, null, null, 1), (stored.OrderKey, stored.DedupKey, stored.SourceId, stored.SchemaVersion));
    }

    [Fact]
    public async Task Ids_rise_within_a_stream_and_positions_have_no_holes()
    {
        var store = await OpenAsync();

        for (var round = 0; round < 10; round++)
        {
            await FillAsync(store, "a", $"a{round}", $"b{round}");
            await store.AppendAsync("b", [New("x", "same"), New("y")]);
        }

        var all = await store.ReadAllAsync().ToListAsync();
        var stream = await store.ReadAsync("a").ToListAsync();
        Assert.Equal(Enumerable.Range(1, 31).Select(n => new Position(n)), all.Select(entry => entry.Position!.Value));
        Assert.Equal(stream.Select(entry => entry.Id).Order(), stream.Select(entry => entry.Id));
        Assert.Equal(20, stream.Select(entry => entry.Id).Distinct().Count());
    }

    [Fact]
    public async Task A_repeated_key_is_a_duplicate_with_the_id_of_the_first()
    {
        var store = await OpenAsync();
        var first = await store.AppendAsync("s", New("one", "k"));

        var again = await store.AppendAsync("s", [New("other", "k"), New("two"), New("three", "m"), New("four", "m")]);

        Assert.Equal(first.Entries[0].Id, again.Entries[0].Id);
        Assert.Equal([true, false, false, true], again.Entries.Select(entry => entry.IsDuplicate));
        Assert.Equal(again.Entries[2].Id, again.Entries[3].Id);
        Assert.Equal((2, again.Entries[2].Id), (again.DuplicateCount, again.End));
        Assert.Equal(["one", "two", "three"], await TextsAsync(store, "s"));
    }

    [Fact]
    public async Task A_key_belongs_to_its_stream()
    {
        var store = await OpenAsync();

        await store.AppendAsync("s", New("one", "k"));
        var other = await store.AppendAsync("t", New("two", "k"));

        Assert.Equal(0, other.DuplicateCount);
    }

    [Theory]
    [InlineData("missing", "any", "written")]
    [InlineData("missing", "new", "written")]
    [InlineData("missing", "other", "conflict")]
    [InlineData("filled", "any", "written")]
    [InlineData("filled", "new", "conflict")]
    [InlineData("filled", "end", "written")]
    [InlineData("filled", "other", "conflict")]
    [InlineData("trimmed", "new", "conflict")]
    [InlineData("trimmed", "end", "written")]
    [InlineData("trimmed", "any", "written")]
    public async Task The_expected_end_decides(string before, string expected, string outcome)
    {
        var store = await OpenAsync();
        var end = default(EntryId);
        if (before != "missing")
        {
            end = (await FillAsync(store, "s", "1", "2"))[1];
        }

        if (before == "trimmed")
        {
            await store.TrimAsync("s", end);
        }

        var expectedEnd = expected switch
        {
            "any" => ExpectedEnd.Any,
            "new" => ExpectedEnd.New,
            "end" => ExpectedEnd.At(end),
            _ => ExpectedEnd.At(EntryId.Of(999_999)),
        };
        var attempt = async () => await store.AppendAsync("s", New("3"), expectedEnd);

        if (outcome == "written")
        {
            var result = await attempt();
            Assert.True(result.End > end);
        }
        else
        {
            var conflict = await Assert.ThrowsAsync<StreamConflictException>(attempt);
            Assert.Equal(("s", end), (conflict.Stream, conflict.ActualEnd));
            Assert.DoesNotContain("3", await TextsAsync(store, "s"));
        }
    }

    [Fact]
    public async Task A_retry_of_what_is_there_succeeds_wherever_the_stream_ends()
    {
        var store = await OpenAsync();
        NewEntry[] batch = [New("1", "a"), New("2", "b")];
        var first = await store.AppendAsync("s", batch, ExpectedEnd.New);
        await FillAsync(store, "s", "3");

        var again = await store.AppendAsync("s", batch, ExpectedEnd.New);

        Assert.Equal(2, again.DuplicateCount);
        Assert.Equal(first.Entries.Select(entry => entry.Id), again.Entries.Select(entry => entry.Id));
        await Assert.ThrowsAsync<StreamConflictException>(
            async () => await store.AppendAsync("s", [.. batch, New("4", "c")], ExpectedEnd.New));
        await Assert.ThrowsAsync<StreamConflictException>(
            async () => await store.AppendAsync("s", [.. batch, New("4")], ExpectedEnd.New));
        Assert.Equal(["1", "2", "3"], await TextsAsync(store, "s"));
    }

    [Fact]
    public async Task An_append_to_several_streams_is_all_or_nothing()
    {
        var store = await OpenAsync();
        await FillAsync(store, "b", "b1");

        await Assert.ThrowsAsync<StreamConflictException>(async () => await store.AppendAsync(
            [
                new StreamAppend("a", [New("a1")]),
                new StreamAppend("b", [New("b2")]) { ExpectedEnd = ExpectedEnd.New },
            ]));
        var empty = await store.GetInfoAsync("a");
        var results = await store.AppendAsync([new("b", [New("b2")]), new("a", [New("a1"), New("a2")])]);

        Assert.Null(empty);
        Assert.Equal([1, 2], results.Select(result => result.Entries.Count));
        Assert.Equal(["b1", "b2"], await TextsAsync(store, "b"));
        Assert.Equal(["a1", "a2"], await TextsAsync(store, "a"));
    }

    [Fact]
    public async Task Trimming_an_entry_frees_its_key_and_its_id_is_not_given_out_again()
    {
        var store = await OpenAsync();
        var first = await store.AppendAsync("s", New("1", "k"));
        await store.TrimAsync("s", first.End);

        var second = await store.AppendAsync("s", New("2", "k"));

        Assert.Equal(0, second.DuplicateCount);
        Assert.True(second.End > first.End);
    }

    [Fact]
    public async Task Concurrent_retries_of_a_key_write_it_once()
    {
        var store = await OpenAsync();
        var ids = new ConcurrentBag<EntryId>();

        await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(async () =>
        {
            for (var key = 0; key < 20; key++)
            {
                var result = await store.AppendAsync("s", New(key.ToString(CultureInfo.InvariantCulture), $"k{key}"));
                ids.Add(result.Entries[0].Id);
            }
        })));

        Assert.Equal(20, ids.Distinct().Count());
        Assert.Equal(20, await store.CountAsync("s"));
    }

    [Fact]
    public async Task Of_concurrent_appends_with_one_expected_end_one_is_written()
    {
        var store = await OpenAsync();

        for (var round = 0; round < 5; round++)
        {
            var end = await store.GetInfoAsync("s") is { } info ? ExpectedEnd.At(info.End) : ExpectedEnd.New;
            var outcomes = await Task.WhenAll(Enumerable.Range(0, 8).Select(n => Task.Run(async () =>
            {
                try
                {
                    await store.AppendAsync("s", New($"{n}"), end);
                    return true;
                }
                catch (StreamConflictException)
                {
                    return false;
                }
            })));

            Assert.Single(outcomes, isWritten => isWritten);
        }

        Assert.Equal(5, await store.CountAsync("s"));
    }

    [Fact]
    public async Task What_is_appended_is_there_for_another_opening()
    {
        var store = await OpenAsync();
        await FillAsync(store, "s", "1", "2");

        var other = IsShared ? await OpenAsync("ORDERS") : store;

        Assert.Equal(["1", "2"], await TextsAsync(other, "s"));
        Assert.Equal(EntryId.Of(3), (await other.AppendAsync("s", New("3"))).End);
    }

    [Fact]
    public async Task Stores_of_different_names_have_nothing_in_common()
    {
        var left = await OpenAsync("left");
        var right = await OpenAsync("right");

        await FillAsync(left, "s", "1");

        Assert.Null(await right.GetInfoAsync("s"));
        Assert.Equal(new Position(1), (await right.FindAsync((await right.AppendAsync("s", New("2"))).End))!.Position);
    }

    [Fact]
    public async Task A_call_that_was_cancelled_before_it_began_leaves_no_trace()
    {
        var store = await OpenAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await store.AppendAsync("s", New("1"), cancellationToken: new CancellationToken(true)));

        Assert.Null(await store.GetInfoAsync("s"));
    }
}
