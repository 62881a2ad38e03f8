using Ledger.Pages;
using Ledger.Trees;
using Xunit;
using static Ledger.Conformance.PageText;

namespace Ledger.Conformance;

/// <summary>What snapshots show.</summary>
public abstract partial class PageConformance
{
    [Fact]
    public async Task Get_gives_the_value_and_nothing_for_an_absent_key()
    {
        await using var page = await OpenPageAsync();
        await page.PutAsync("name", "Alice");
        await using var snapshot = await page.GetSnapshotAsync();

        Assert.Equal("Alice", await snapshot.GetAsync("name"));
        Assert.Null(await snapshot.GetAsync("nam"));
        Assert.Null(await snapshot.FindAsync(Bytes("names")));
        Assert.Null(await snapshot.OpenReadAsync(Bytes("names")));
        Assert.Null(await snapshot.FetchAsync(Bytes("names")));
        Assert.Null(await snapshot.FetchRangeAsync(Bytes("names"), 0, -1));
    }

    [Fact]
    public async Task Of_puts_that_nobody_waited_for_the_later_one_wins()
    {
        await using var page = await OpenPageAsync();

        var first = page.PutAsync("name", "Alice");
        var second = page.PutAsync("name", "Bob");
        await using var snapshot = await page.GetSnapshotAsync();
        await Task.WhenAll(first, second);

        Assert.Equal("Bob", await snapshot.GetAsync("name"));
    }

    [Theory]
    [InlineData(0, -1, "Alice")]
    [InlineData(0, 5, "Alice")]
    [InlineData(0, 50, "Alice")]
    [InlineData(2, 1, "i")]
    [InlineData(2, -1, "ice")]
    [InlineData(4, 3, "e")]
    [InlineData(-5, -1, "Alice")]
    [InlineData(-4, 2, "li")]
    [InlineData(-1, -1, "e")]
    [InlineData(0, 0, "")]
    [InlineData(5, -1, "")]
    [InlineData(50, 1, "")]
    [InlineData(-6, -1, "")]
    [InlineData(long.MinValue, -1, "")]
    [InlineData(long.MaxValue, long.MaxValue, "")]
    public async Task A_part_of_a_value_is_what_lies_in_it_and_empty_outside(long offset, long length, string expected)
    {
        await using var page = await OpenPageAsync();
        await page.PutAsync("name", "Alice");
        await using var snapshot = await page.GetSnapshotAsync();

        var part = await snapshot.FetchRangeAsync(Bytes("name"), offset, length);

        Assert.Equal(expected, Text(part!.Value));
    }

    [Fact]
    public async Task A_part_of_a_large_value_reads_across_its_chunks()
    {
        await using var page = await OpenPageAsync();
        var large = Fill(3_000_000);
        await page.PutReferenceAsync(Bytes("a"), await page.CreateReferenceAsync(large), EntryPriority.Lazy);
        await using var snapshot = await page.GetSnapshotAsync();

        var middle = await snapshot.FetchRangeAsync(Bytes("a"), 999_999, 1_000_001);
        var end = await snapshot.FetchRangeAsync(Bytes("a"), -10, -1);

        Assert.Equal(large[999_999..2_000_000], middle!.Value.ToArray());
        Assert.Equal(large[^10..], end!.Value.ToArray());
        var entry = Assert.Single(await snapshot.GetEntriesAsync().ToListAsync());
        Assert.Equal((ValueState.Large, EntryPriority.Lazy), (entry.State, entry.Priority));
    }

    [Fact]
    public async Task A_prefix_limits_every_method_of_a_snapshot()
    {
        await using var page = await OpenPageAsync();
        foreach (var key in new[] { "a", "ab", "abc", "abd", "ac", "b" })
        {
            await page.PutAsync(key, key.ToUpperInvariant());
        }

        await using var snapshot = await page.GetSnapshotAsync(Bytes("ab"));

        Assert.Equal("ab=AB,abc=ABC,abd=ABD", await snapshot.ShowAsync());
        Assert.Equal(3, await snapshot.CountAsync());
        Assert.Equal(
            ["abd", "abc", "ab"], await snapshot.GetKeysAsync(reverse: true).Select(key => Text(key)).ToListAsync());
        Assert.Equal("ABC", await snapshot.GetAsync("abc"));
        Assert.Null(await snapshot.GetAsync("ac"));
        Assert.Null(await snapshot.FindAsync(Bytes("b")));
        Assert.Null(await snapshot.OpenReadAsync(Bytes("a")));
        Assert.Null(await snapshot.FetchAsync(Bytes("ac")));
        Assert.Null(await snapshot.FetchRangeAsync(Bytes("ac"), 0, 1));
        Assert.Equal("ab", Text(snapshot.Prefix));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_scan_can_be_made_again_and_ends_when_it_is_cancelled_or_its_snapshot_is_gone(bool ofEnumerator)
    {
        await using var page = await OpenPageAsync();
        foreach (var key in new[] { "a", "b", "c" })
        {
            await page.PutAsync(key, key);
        }

        var snapshot = await page.GetSnapshotAsync();
        using var end = new CancellationTokenSource();
        using var other = new CancellationTokenSource();
        var scan = snapshot.GetEntriesAsync(cancellationToken: ofEnumerator ? other.Token : end.Token);
        var again = snapshot.GetKeysAsync();

        await using var first = scan.GetAsyncEnumerator(ofEnumerator ? end.Token : other.Token);
        Assert.True(await first.MoveNextAsync());
        await end.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await first.MoveNextAsync());
        Assert.Equal(3, await again.CountAsync());
        await using var second = again.GetAsyncEnumerator();
        Assert.True(await second.MoveNextAsync());
        await snapshot.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await second.MoveNextAsync());
        await using var third = again.GetAsyncEnumerator();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await third.MoveNextAsync());
    }

    [Fact]
    public async Task Entries_and_keys_come_sorted_in_ranges_forwards_and_backwards()
    {
        await using var page = await OpenPageAsync();
        var keys = Enumerable.Range(0, 500).Select(number => $"{number:d4}").ToList();
        var random = new Random(7);
        foreach (var key in keys.OrderBy(_ => random.Next()))
        {
            await page.PutAsync(key, key);
        }

        await using var snapshot = await page.GetSnapshotAsync();

        Assert.Equal(keys, await Keys(snapshot.GetKeysAsync()));
        Assert.Equal(keys[100..200], await Keys(snapshot.GetKeysAsync(Bytes("0100"), Bytes("0200"))));
        Assert.Equal(
            keys[100..200].AsEnumerable().Reverse(),
            await Keys(snapshot.GetKeysAsync(Bytes("0100"), Bytes("0200"), reverse: true)));
        Assert.Equal(keys[490..], await Keys(snapshot.GetEntriesAsync(Bytes("0489x")).Select(entry => entry.Key)));
        Assert.Equal(100, await snapshot.CountAsync(Bytes("0100"), Bytes("0200")));
        Assert.Equal(0, await snapshot.CountAsync(Bytes("0200"), Bytes("0100")));
        Assert.Empty(await Keys(snapshot.GetKeysAsync(Bytes("0200"), Bytes("0100"))));

        static async Task<List<string>> Keys(IAsyncEnumerable<ReadOnlyMemory<byte>> found) =>
            await found.Select(key => Text(key)).ToListAsync();
    }

    [Fact]
    public async Task Thousands_of_short_values_are_put_by_reference_at_once()
    {
        await using var page = await OpenPageAsync();
        var value = new byte[500];
        var references = new List<Reference>();
        for (var number = 0; number < 10_000; number++)
        {
            references.Add(await page.CreateReferenceAsync(value));
        }

        await Task.WhenAll(references.Select((reference, number) =>
            page.PutReferenceAsync(Bytes($"{number}"), reference)));

        await using var snapshot = await page.GetSnapshotAsync();
        Assert.Equal(10_000, await snapshot.CountAsync());
    }

    [Fact]
    public async Task A_million_bytes_put_by_reference_from_a_stream_a_pipe_or_memory_are_read_back()
    {
        await using var page = await OpenPageAsync();
        var content = Fill(1_000_000);
        using var stream = new MemoryStream(content);
        using var piped = new MemoryStream(content);

        await page.PutReferenceAsync(Bytes("a"), await page.CreateReferenceAsync(stream, content.Length));
        await page.PutReferenceAsync(
            Bytes("b"), await page.CreateReferenceAsync(System.IO.Pipelines.PipeReader.Create(piped)));
        await page.PutReferenceAsync(Bytes("c"), await page.CreateReferenceAsync(content));

        await using var snapshot = await page.GetSnapshotAsync();
        foreach (var key in new[] { "a", "b", "c" })
        {
            Assert.Equal(content, (await snapshot.GetAsync(Bytes(key)))!.Value.ToArray());
        }
    }

    [Fact]
    public async Task A_snapshot_never_changes_and_outlives_its_connection()
    {
        var ledger = await OpenLedgerAsync();
        var page = await ledger.GetPageAsync(PageId.Root);
        await page.PutAsync("a", "1");
        var snapshot = await page.GetSnapshotAsync();

        await page.PutAsync("a", "2");
        await page.PutAsync("b", "2");
        await page.GetSnapshotAsync();
        await page.DisposeAsync();

        Assert.Equal("a=1", await snapshot.ShowAsync());
    }

    [Fact]
    public async Task A_snapshot_of_a_transaction_shows_its_changes_so_far_and_one_of_the_connection_the_pinned_state()
    {
        var ledger = await OpenLedgerAsync();
        await using var page = await ledger.GetPageAsync(PageId.Root);
        await using var other = await ledger.GetPageAsync(PageId.Root);
        await page.PutAsync("a", "1");
        await using var transaction = await page.BeginTransactionAsync();
        await transaction.PutAsync("b", new string('b', 600));
        await transaction.DeleteAsync("a");
        await other.PutAsync("c", "other");

        var own = await transaction.GetSnapshotAsync();
        var pinned = await page.GetSnapshotAsync();
        await transaction.PutAsync("d", "later");

        Assert.Equal($"b={new string('b', 600)}", await own.ShowAsync());
        Assert.Equal("a=1", await pinned.ShowAsync());
        Assert.Equal("1", await page.GetAsync("a"));
        Assert.Null(await page.GetAsync("c"));
        Assert.Null(await transaction.GetAsync("a"));
        Assert.Equal(new string('b', 600), await transaction.GetAsync("b"));
        Assert.Equal(transaction.Base, pinned.Commit);
        await transaction.RollbackAsync();
        Assert.Equal($"b={new string('b', 600)}", await own.ShowAsync());
        Assert.Equal("a=1,c=other", await page.ShowAsync());
    }
}
