using Ledger.Commits;
using Ledger.Sync;
using Xunit;

namespace Ledger.Conformance;

public abstract partial class CloudProviderConformance
{
    [Fact]
    public async Task An_entry_that_is_sent_again_stays_where_and_what_it_was()
    {
        await using var cloud = await OpenAsync();
        await using var other = await OpenAsync();
        var first = await AppendAsync(cloud, First, 0, 1);
        await AppendAsync(cloud, First, 2);

        var again = await AppendAsync(other, First, 0, 1);
        var changed = await other.AppendAsync(Notes, Second, [Entry(1, sizeBytes: 50)], new FeedPosition(77), default);

        Assert.Null(again.EndBefore);
        Assert.Equal(first.Positions, again.Positions);
        Assert.Null(changed.EndBefore);
        Assert.Equal(first.Positions[1], Assert.Single(changed.Positions));
        var read = await ReadBacklogAsync(cloud, Notes);
        Assert.Equal([Entry(0).Id, Entry(1).Id, Entry(2).Id], read.Select(entry => entry.Entry.Id));
        Assert.Equal(20, read[1].Entry.Content.Length);
    }

    [Fact]
    public async Task An_append_that_is_partly_there_adds_only_the_rest()
    {
        await using var cloud = await OpenAsync();
        var first = await AppendAsync(cloud, First, 0, 1);

        var second = await AppendAsync(cloud, First, 1, 2);

        Assert.Equal(first.Positions[1], second.Positions[0]);
        Assert.Equal(first.Positions[1], second.EndBefore);
        Assert.Equal(
            [Entry(0).Id, Entry(1).Id, Entry(2).Id],
            (await ReadBacklogAsync(cloud, Notes)).Select(entry => entry.Entry.Id));
    }

    [Fact]
    public async Task A_conditional_append_happens_only_where_the_page_ends_as_expected()
    {
        await using var cloud = await OpenAsync();
        var first = await cloud.AppendAsync(Notes, First, [Entry(0)], FeedPosition.Start, default);
        await cloud.AppendAsync(Notes, Second, [Entry(1)], FeedPosition.Start, default);

        if (!cloud.Capabilities.ConditionalAppend)
        {
            await cloud.AppendAsync(Notes, First, [Entry(2)], FeedPosition.Start, default);
            Assert.Equal(3, (await ReadBacklogAsync(cloud, Notes)).Count);
            return;
        }

        var refused = await Assert.ThrowsAsync<FeedMovedException>(
            async () => await cloud.AppendAsync(Notes, First, [Entry(2)], FeedPosition.Start, default));
        Assert.Equal(first.Positions[0], refused.ActualEnd);
        Assert.Equal(2, (await ReadBacklogAsync(cloud, Notes)).Count);
        var accepted = await cloud.AppendAsync(Notes, First, [Entry(2)], refused.ActualEnd, default);
        Assert.Equal(first.Positions[0], accepted.EndBefore);
    }

    [Fact]
    public async Task Of_conditional_appends_at_one_end_exactly_one_happens()
    {
        const int Writers = 8;
        var clouds = await Task.WhenAll(Enumerable.Range(0, Writers).Select(async _ => await OpenAsync()));
        if (!clouds[0].Capabilities.ConditionalAppend)
        {
            return;
        }

        var outcomes = await Task.WhenAll(clouds.Select(async (cloud, number) =>
        {
            try
            {
                await cloud.AppendAsync(Notes, First, [Entry(number)], FeedPosition.Start, default);
                return true;
            }
            catch (FeedMovedException)
            {
                return false;
            }
        }));

        Assert.Single(outcomes, outcome => outcome);
        Assert.Single(await ReadBacklogAsync(clouds[0], Notes));
    }

    [Fact]
    public async Task Many_writers_append_whole_and_in_their_own_order()
    {
        const int Writers = 6;
        const int Appends = 10;
        var clouds = await Task.WhenAll(Enumerable.Range(0, Writers).Select(async _ => await OpenAsync()));

        await Task.WhenAll(clouds.Select(async (cloud, writer) =>
        {
            for (var append = 0; append < Appends; append++)
            {
                var number = (writer * 1000) + (append * 2);
                await AppendAsync(cloud, writer % 2 == 0 ? First : Second, number, number + 1);
            }
        }));

        var read = (await ReadBacklogAsync(clouds[0], Notes)).Select(entry => (int)entry.Entry.Sequence).ToArray();
        Assert.Equal(Writers * Appends * 2, read.Length);
        for (var index = 0; index < read.Length; index += 2)
        {
            Assert.Equal(read[index] + 1, read[index + 1]);
        }

        foreach (var writer in Enumerable.Range(0, Writers))
        {
            var own = read.Where(number => number / 1000 == writer).ToArray();
            Assert.Equal(own.Order(), own);
        }
    }

    [Fact]
    public async Task The_same_entry_sent_by_many_at_once_is_there_once()
    {
        var clouds = await Task.WhenAll(Enumerable.Range(0, 4).Select(async _ => await OpenAsync()));

        for (var number = 0; number < 10; number++)
        {
            var results = await Task.WhenAll(
                clouds.Select(async cloud => await AppendAsync(cloud, First, number)));
            Assert.Single(results.Select(result => result.Positions[0]).Distinct());
        }

        Assert.Equal(10, (await ReadBacklogAsync(clouds[0], Notes)).Count);
    }

    [Fact]
    public async Task Appends_beyond_the_limits_are_refused()
    {
        await using var cloud = await OpenAsync();
        var whole = Entry(1, CloudLimits.EntrySizeBytesMax);
        CloudEntry[][] refused =
        [
            [],
            [Entry(1, 0)],
            [Entry(1, CloudLimits.EntrySizeBytesMax + 1)],
            [Entry(1), Entry(1)],
            [.. Enumerable.Range(0, CloudLimits.AppendEntriesMax + 1).Select(number => Entry(number))],
            [.. Enumerable.Range(0, 5).Select(number => Entry(number, CloudLimits.EntrySizeBytesMax))],
        ];

        foreach (var entries in refused)
        {
            await Assert.ThrowsAnyAsync<ArgumentException>(
                async () => await cloud.AppendAsync(Notes, First, entries, null, default));
        }

        await cloud.AppendAsync(Notes, First, [whole], null, default);
        Assert.Equal(
            whole.Content.ToArray(), Assert.Single(await ReadBacklogAsync(cloud, Notes)).Entry.Content.ToArray());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5000)]
    [InlineData(CloudLimits.BlobSizeBytesMax)]
    public async Task A_blob_is_what_was_put_first(int sizeBytes)
    {
        await using var cloud = await OpenAsync();
        await using var other = await OpenAsync();
        var name = new BlobName(7, (UInt128)sizeBytes);
        var content = TestContent(sizeBytes, sizeBytes);

        Assert.Null(await cloud.GetBlobAsync(name, default));
        await cloud.PutBlobAsync(name, content, default);
        await other.PutBlobAsync(name, new byte[] { 1, 2, 3 }, default);

        Assert.Equal(content, (await other.GetBlobAsync(name, default))!.Value.ToArray());
        await Assert.ThrowsAnyAsync<ArgumentException>(async () => await cloud.PutBlobAsync(
            name, new byte[CloudLimits.BlobSizeBytesMax + 1], default));
        await Assert.ThrowsAnyAsync<ArgumentException>(async () => await cloud.PutBlobAsync(name, default, default));
    }

    [Fact]
    public async Task A_blob_that_many_put_at_once_is_one_of_theirs()
    {
        var clouds = await Task.WhenAll(Enumerable.Range(0, 6).Select(async _ => await OpenAsync()));
        var name = new BlobName(8, 8);

        await Task.WhenAll(clouds.Select(
            async (cloud, number) => await cloud.PutBlobAsync(name, TestContent(number, 9000), default)));

        var read = (await clouds[0].GetBlobAsync(name, default))!.Value.ToArray();
        Assert.Contains(Enumerable.Range(0, 6), number => TestContent(number, 9000).AsSpan().SequenceEqual(read));
    }

    [Fact]
    public async Task Asking_for_blobs_tells_which_are_there_and_renews_their_leases()
    {
        await using var cloud = await OpenAsync();
        var (here, absent) = (new BlobName(1, 1), new BlobName(1, 2));
        var before = Runtime.Time.GetUtcNow() + CloudLimits.BlobLease;

        await cloud.PutBlobAsync(here, new byte[] { 1 }, default);
        var put = await LeaseOfAsync(here);
        var found = await cloud.HasBlobsAsync([absent, here, absent, here], default);
        var asked = await LeaseOfAsync(here);

        Assert.Equal([false, true, false, true], found);
        Assert.True(put >= before && asked >= put, $"{before}, {put}, {asked}");
        Assert.Null(await LeaseOfAsync(absent));
        Assert.Empty(await cloud.HasBlobsAsync([], default));
    }

    [Fact]
    public async Task The_newest_checkpoint_and_what_the_stable_cut_needs_are_kept()
    {
        await using var cloud = await OpenAsync();
        await cloud.RegisterDeviceAsync(Notes, Phone, new byte[] { 1 }, default);
        await cloud.RegisterDeviceAsync(Notes, Laptop, new byte[] { 2 }, default);
        await cloud.AcknowledgeAsync(Notes, Phone, new(25), default);
        await cloud.AcknowledgeAsync(Notes, Laptop, new(40), default);

        foreach (var position in new[] { 10, 20, 50, 30 })
        {
            await cloud.PutCheckpointsAsync(Notes, [Checkpoint(First, position, 1)], default);
        }

        await cloud.PutCheckpointsAsync(Notes, [Checkpoint(First, 50, 2), Checkpoint(Second, 5, 3)], default);
        await cloud.PutCheckpointsAsync(Photos, [Checkpoint(First, 60, 4)], default);

        var read = await ReadCheckpointsAsync(cloud, First, new PageName(99), Second);
        Assert.Equal((First, new FeedPosition(50)), (read[0].Page, read[0].Position));
        Assert.Equal(TestContent(1, 50), read[0].Content.ToArray());
        Assert.Contains(read, checkpoint => checkpoint.Page == First && checkpoint.Position.Value == 20);
        Assert.Equal((Second, new FeedPosition(5)), (read[^1].Page, read[^1].Position));
        var positions = read.SkipLast(1).Select(checkpoint => checkpoint.Position).ToArray();
        Assert.Equal(positions.OrderDescending(), positions);

        await cloud.AcknowledgeAsync(Notes, Phone, new(55), default);
        await cloud.AcknowledgeAsync(Notes, Laptop, new(55), default);
        await cloud.PutCheckpointsAsync(Notes, [Checkpoint(First, 70, 1)], default);
        Assert.Equal(70, (await ReadCheckpointsAsync(cloud, First))[0].Position.Value);
        Assert.Contains(await ReadCheckpointsAsync(cloud, First), checkpoint => checkpoint.Position.Value == 50);
    }

    [Fact]
    public async Task The_device_set_is_kept_by_ledger()
    {
        await using var cloud = await OpenAsync();
        await using var other = await OpenAsync();
        await cloud.RegisterDeviceAsync(Notes, Laptop, TestContent(1, 4096), default);
        await cloud.RegisterDeviceAsync(Notes, Phone, TestContent(2, 10), default);
        await AppendAsync(cloud, First, 3, 7);

        Assert.True(await cloud.AcknowledgeAsync(Notes, Phone, new(9), default));
        Assert.True(await cloud.AcknowledgeAsync(Notes, Phone, new(4), default));
        Assert.False(await cloud.AcknowledgeAsync(Notes, new DeviceId(99), new(9), default));
        await cloud.RegisterDeviceAsync(Notes, Phone, TestContent(3, 11), default);

        var devices = await other.ListDevicesAsync(Notes, default);
        Assert.Equal(
            [(Phone, (long?)7, new FeedPosition(9)), (Laptop, null, default)],
            devices.Select(device => (device.Device, device.LastSequence, device.Acknowledged)));
        Assert.Equal(TestContent(3, 11), devices[0].Content.ToArray());
        Assert.Empty(await other.ListDevicesAsync(Photos, default));
        Assert.True(await other.RemoveDeviceAsync(Notes, Laptop, default));
        Assert.False(await cloud.RemoveDeviceAsync(Notes, Laptop, default));
        Assert.Single(await cloud.ListDevicesAsync(Notes, default));
        await Assert.ThrowsAnyAsync<ArgumentException>(
            async () => await cloud.RegisterDeviceAsync(Notes, Phone, new byte[4097], default));
    }

    [Fact]
    public async Task A_cloud_that_was_erased_is_told_from_the_one_that_was()
    {
        var (incarnation, anchor) = await AppendAndAnchorAsync();

        await EraseAsync();

        await using var cloud = await OpenAsync();
        await using var connection = await cloud.ConnectAsync(Phone, [new(Notes, anchor.Position)], null, default);
        Assert.NotEqual(incarnation, connection.Incarnation);
        Assert.Equal(AnchorState.Foreign, FeedAnchor.Compare(anchor, connection.Incarnation, connection.Feeds[0]));
        Assert.Equal(AnchorState.Fresh, FeedAnchor.Compare(null, connection.Incarnation, connection.Feeds[0]));
    }

    [Fact]
    public async Task A_cloud_that_was_rolled_back_is_found_out_even_when_it_went_on()
    {
        var (incarnation, anchor) = await AppendAndAnchorAsync();
        await RollBackAsync(Notes, FeedPosition.Start);
        Assert.Equal(AnchorState.RolledBack, await CompareAsync());
        await using (var cloud = await OpenAsync())
        {
            await AppendAsync(cloud, First, 10, 11, 12);
        }

        Assert.Equal(AnchorState.RolledBack, await CompareAsync());

        async Task<AnchorState> CompareAsync()
        {
            await using var cloud = await OpenAsync();
            await using var connection = await cloud.ConnectAsync(Phone, [new(Notes, anchor.Position)], null, default);
            Assert.Equal(incarnation, connection.Incarnation);
            return FeedAnchor.Compare(anchor, connection.Incarnation, connection.Feeds[0]);
        }
    }

    internal static async Task<List<CloudCheckpoint>> ReadCheckpointsAsync(
        ICloudProvider cloud, params PageName[] pages) =>
        await cloud.GetCheckpointsAsync(Notes, pages, default).ToListAsync();

    private static CloudCheckpoint Checkpoint(PageName page, int position, int seed) =>
        new(page, new FeedPosition(position), TestContent(seed, position));

    private async Task<(CloudIncarnation Incarnation, FeedAnchor Anchor)> AppendAndAnchorAsync()
    {
        await using var cloud = await OpenAsync();
        var appended = await AppendAsync(cloud, First, 0, 1);
        await using var connection = await cloud.ConnectAsync(
            Phone, [new(Notes, appended.Positions[1])], null, default);
        var anchor = new FeedAnchor(connection.Incarnation, appended.Positions[1], Entry(1).Id);
        Assert.Equal(AnchorState.Intact, FeedAnchor.Compare(anchor, connection.Incarnation, connection.Feeds[0]));
        return (connection.Incarnation, anchor);
    }
}
