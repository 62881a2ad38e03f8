using Ledger.Commits;
using Ledger.Runtime;
using Ledger.Sync;
using Xunit;

namespace Ledger.Conformance;

/// <summary>What every cloud must do. Each test has a cloud of its own, reached by any number of clients.</summary>
public abstract partial class CloudProviderConformance
{
    internal static readonly LedgerName Notes = new(11);
    internal static readonly LedgerName Photos = new(12);
    internal static readonly PageName First = new(21);
    internal static readonly PageName Second = new(22);
    internal static readonly DeviceId Phone = new(31);
    internal static readonly DeviceId Laptop = new(32);

    /// <summary>The runtime that the clients were given.</summary>
    protected abstract LedgerRuntime Runtime { get; }

    /// <summary>Another client of this test's one cloud.</summary>
    internal abstract ValueTask<ICloudProvider> OpenAsync();

    /// <summary>Takes the whole cloud away, and makes another, empty one at its place.</summary>
    internal abstract ValueTask EraseAsync();

    /// <summary>Takes the last entries of a feed away; the cloud's incarnation stays.</summary>
    internal abstract ValueTask RollBackAsync(LedgerName ledger, FeedPosition last);

    /// <summary>Until when a blob stays whatever names it; null when there is none.</summary>
    internal abstract ValueTask<DateTimeOffset?> LeaseOfAsync(BlobName name);

    [Fact]
    public async Task A_new_cloud_has_empty_feeds_and_says_so()
    {
        await using var cloud = await OpenAsync();

        await using var connection = await cloud.ConnectAsync(
            Phone, [new(Notes, default), new(Photos, default)], null, default);

        Assert.Equal(
            [new FeedState(Notes, null, default, null), new FeedState(Photos, null, default, null)], connection.Feeds);
        Assert.NotEqual(default, connection.Incarnation);
        Assert.Equal(new CloudEvent.CaughtUp(Notes), await connection.ReadAsync(default));
        Assert.Equal(new CloudEvent.CaughtUp(Photos), await connection.ReadAsync(default));
    }

    [Fact]
    public async Task What_is_appended_is_the_backlog_of_who_connects_later()
    {
        await using var cloud = await OpenAsync();
        await using var other = await OpenAsync();
        var entries = Enumerable.Range(0, 7).Select(number => Entry(number, sizeBytes: 10 + number)).ToArray();

        await cloud.AppendAsync(Notes, First, entries[..3], null, default);
        await cloud.AppendAsync(Notes, Second, entries[3..4], null, default);
        await cloud.AppendAsync(Photos, First, entries[4..5], null, default);
        await cloud.AppendAsync(Notes, First, entries[5..], null, default);

        AssertSame([.. entries[..4], .. entries[5..]], await ReadBacklogAsync(other, Notes));
        AssertSame(entries[4..5], await ReadBacklogAsync(other, Photos));
        var pages = (await ReadBacklogAsync(other, Notes)).Select(entry => entry.Page);
        Assert.Equal([First, First, First, Second, First, First], pages);
    }

    [Fact]
    public async Task Positions_ascend_and_are_those_that_appending_said()
    {
        await using var cloud = await OpenAsync();

        var first = await AppendAsync(cloud, First, 0, 1);
        var second = await AppendAsync(cloud, Second, 2);
        var third = await AppendAsync(cloud, First, 3);

        FeedPosition[] positions = [.. first.Positions, .. second.Positions, .. third.Positions];
        var read = await ReadBacklogAsync(cloud, Notes);
        Assert.Equal(positions, read.Select(entry => entry.Position));
        Assert.Equal(positions, positions.Order().Distinct());
        Assert.True(positions[0] > FeedPosition.Start);
        Assert.Equal(FeedPosition.Start, first.EndBefore);
        Assert.Equal(FeedPosition.Start, second.EndBefore);
        Assert.Equal(first.Positions[1], third.EndBefore);
    }

    [Fact]
    public async Task Reading_begins_after_the_anchor_and_shows_what_is_at_it()
    {
        await using var cloud = await OpenAsync();
        var appended = await AppendAsync(cloud, First, 0, 1, 2, 3);
        var laptop = Entry(9) with { Device = Laptop, Sequence = 41 };
        var last = await cloud.AppendAsync(Notes, Second, [laptop], null, default);

        for (var index = 0; index < 4; index++)
        {
            await using var connection = await cloud.ConnectAsync(
                Laptop, [new(Notes, appended.Positions[index])], null, default);

            Assert.Equal(
                new FeedState(Notes, Entry(index).Id, last.Positions[0], 41), Assert.Single(connection.Feeds));
            var read = await ReadBacklogAsync(connection, Notes);
            Assert.Equal(
                [.. Enumerable.Range(index + 1, 3 - index).Select(number => Entry(number).Id), laptop.Id],
                read.Select(entry => entry.Entry.Id));
        }
    }

    [Fact]
    public async Task Only_the_pages_that_were_asked_for_are_given_out()
    {
        await using var cloud = await OpenAsync();
        await AppendAsync(cloud, First, 0);
        await AppendAsync(cloud, Second, 1);
        await using var connection = await cloud.ConnectAsync(
            Phone, [new(Notes, default)], new HashSet<PageName> { Second }, default);

        var backlog = await ReadBacklogAsync(connection, Notes);
        await AppendAsync(cloud, First, 2);
        await AppendAsync(cloud, Second, 3);
        var pushed = await ReadAsync(connection, 1);

        Assert.Equal([Entry(1).Id], backlog.Select(entry => entry.Entry.Id));
        Assert.Equal([Entry(3).Id], pushed.Select(entry => entry.Entry.Id));
    }

    [Fact]
    public async Task Between_backlog_and_push_nothing_is_missing_and_nothing_comes_twice()
    {
        const int Count = 120;
        await using var writer = await OpenAsync();
        await using var reader = await OpenAsync();
        var writing = WriteAsync();

        for (var round = 0; round < 4; round++)
        {
            await using var connection = await reader.ConnectAsync(Laptop, [new(Notes, default)], null, default);
            var read = await ReadAsync(connection, Count);

            Assert.Equal(Enumerable.Range(0, Count).Select(number => Entry(number).Id), read.Select(e => e.Entry.Id));
            Assert.Equal(read.Select(entry => entry.Position), read.Select(entry => entry.Position).Order().Distinct());
        }

        await writing;

        async Task WriteAsync()
        {
            for (var number = 0; number < Count; number += 2)
            {
                await AppendAsync(writer, number % 3 == 0 ? First : Second, number, number + 1);
            }
        }
    }

    [Fact]
    public async Task What_is_appended_at_once_is_read_at_once()
    {
        await using var cloud = await OpenAsync();
        await using var connection = await cloud.ConnectAsync(Phone, [new(Notes, default)], null, default);
        Assert.Empty(await ReadBacklogAsync(connection, Notes));

        await AppendAsync(cloud, First, [.. Enumerable.Range(0, CloudLimits.AppendEntriesMax)]);

        var read = Assert.IsType<CloudEvent.Entries>(await connection.ReadAsync(default));
        Assert.Equal(CloudLimits.AppendEntriesMax, read.Items.Count);
        Assert.Equal(Notes, read.Ledger);
    }

    [Fact]
    public async Task A_watch_on_several_ledgers_shows_each_of_them()
    {
        await using var cloud = await OpenAsync();
        await using var connection = await cloud.ConnectAsync(
            Phone, [new(Notes, default), new(Photos, default)], null, default);

        await cloud.AppendAsync(Photos, First, [Entry(1)], null, default);
        var photos = await ReadAsync(connection, 1);
        await cloud.AppendAsync(Notes, First, [Entry(2)], null, default);
        var notes = await ReadAsync(connection, 1);

        Assert.Equal(Entry(1).Id, photos[0].Entry.Id);
        Assert.Equal(Entry(2).Id, notes[0].Entry.Id);
    }

    [Fact]
    public async Task A_slow_reader_misses_nothing_or_is_told_that_it_is_behind()
    {
        const int Appends = 8;
        await using var cloud = await OpenAsync();
        await using var connection = await cloud.ConnectAsync(Phone, [new(Notes, default)], null, default);
        Assert.Empty(await ReadBacklogAsync(connection, Notes));
        for (var append = 0; append < Appends; append++)
        {
            await AppendAsync(cloud, First, [.. Enumerable.Range(append * 255, 255)]);
        }

        var read = new List<FeedEntry>();
        var at = FeedPosition.Start;
        while (read.Count < Appends * 255)
        {
            switch (await connection.ReadAsync(default))
            {
                case CloudEvent.Entries entries:
                    read.AddRange(entries.Items);
                    at = entries.Items[^1].Position;
                    break;
                case CloudEvent.Behind:
                    Assert.IsType<CloudEvent.Behind>(await connection.ReadAsync(default));
                    read.AddRange(await ReadBacklogAsync(cloud, Notes, at));
                    break;
            }
        }

        Assert.Equal(Enumerable.Range(0, Appends * 255).Select(n => Entry(n).Id), read.Select(e => e.Entry.Id));
    }

    [Fact]
    public async Task A_cancelled_read_loses_nothing()
    {
        await using var cloud = await OpenAsync();
        await using var connection = await cloud.ConnectAsync(Phone, [new(Notes, default)], null, default);
        Assert.Empty(await ReadBacklogAsync(connection, Notes));
        using var cancellation = new CancellationTokenSource();

        var reading = connection.ReadAsync(cancellation.Token).AsTask();
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);
        await AppendAsync(cloud, First, 5);

        Assert.Equal(Entry(5).Id, Assert.Single(await ReadAsync(connection, 1)).Entry.Id);
    }

    internal static CloudEntry Entry(int number, int sizeBytes = 20) =>
        new(new EntryId((UInt128)(1000 + number)), Phone, number, TestContent(number, sizeBytes));

    internal static byte[] TestContent(int seed, int sizeBytes)
    {
        var content = new byte[sizeBytes];
        new Random(seed).NextBytes(content);
        return content;
    }

    internal static ValueTask<AppendResult> AppendAsync(ICloudProvider cloud, PageName page, params int[] numbers) =>
        cloud.AppendAsync(Notes, page, [.. numbers.Select(number => Entry(number))], null, default);

    internal static async Task<List<FeedEntry>> ReadBacklogAsync(
        ICloudProvider cloud, LedgerName ledger, FeedPosition after = default)
    {
        await using var connection = await cloud.ConnectAsync(Laptop, [new(ledger, after)], null, default);
        return await ReadBacklogAsync(connection, ledger);
    }

    internal static async Task<List<FeedEntry>> ReadBacklogAsync(ICloudConnection connection, LedgerName ledger)
    {
        var read = new List<FeedEntry>();
        while (true)
        {
            switch (await connection.ReadAsync(default))
            {
                case CloudEvent.Entries entries when entries.Ledger == ledger:
                    read.AddRange(entries.Items);
                    break;
                case CloudEvent.CaughtUp caughtUp when caughtUp.Ledger == ledger:
                    return read;
            }
        }
    }

    internal static async Task<List<FeedEntry>> ReadAsync(ICloudConnection connection, int count)
    {
        var read = new List<FeedEntry>();
        while (read.Count < count)
        {
            if (await connection.ReadAsync(default) is CloudEvent.Entries entries)
            {
                read.AddRange(entries.Items);
            }
        }

        return read;
    }

    private static void AssertSame(CloudEntry[] expected, List<FeedEntry> actual)
    {
        Assert.Equal(
            expected.Select(entry => (entry.Id, entry.Device, entry.Sequence)),
            actual.Select(entry => (entry.Entry.Id, entry.Entry.Device, entry.Entry.Sequence)));
        Assert.All(expected.Zip(actual), pair =>
            Assert.Equal(pair.First.Content.ToArray(), pair.Second.Entry.Content.ToArray()));
    }
}
