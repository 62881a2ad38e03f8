using Ledger.Conformance;
using Ledger.Runtime;
using Ledger.Runtime.Real;
using Ledger.Sync;
using Xunit;

namespace Ledger.Tests.Sync;

/// <summary>The kit on any file system: each client is a cloud object of its own, as in another process.</summary>
public abstract class DirectoryCloudKitTests : CloudProviderConformance
{
    private LedgerRuntime? _runtime;

    protected sealed override LedgerRuntime Runtime => _runtime ??= NewRuntime();

    protected abstract IFileSystem Files { get; }

    protected abstract string Root { get; }

    internal sealed override async ValueTask<ICloudProvider> OpenAsync() =>
        await DirectoryCloud.OpenAsync(Runtime, Root, create: true, default);

    internal sealed override ValueTask EraseAsync()
    {
        DeleteBelow(Root);
        return ValueTask.CompletedTask;
    }

    internal sealed override ValueTask RollBackAsync(LedgerName ledger, FeedPosition last)
    {
        Assert.Equal(FeedPosition.Start, last);
        DeleteBelow(Path.Combine(Root, "feeds", ledger.ToString(), "slots"));
        return ValueTask.CompletedTask;
    }

    internal sealed override async ValueTask<DateTimeOffset?> LeaseOfAsync(BlobName name) =>
        await ((DirectoryCloud)await OpenAsync()).LeaseOfAsync(name);

    private LedgerRuntime NewRuntime() => new(
        new PoolScheduler(), TimeProvider.System, new SystemRandomness(), Files, new SocketNetwork());

    private void DeleteBelow(string path)
    {
        foreach (var name in Files.List(path))
        {
            var child = Path.Combine(path, name);
            if (Files.DirectoryExists(child))
            {
                DeleteBelow(child);
            }
            else
            {
                Files.Delete(child);
            }
        }
    }
}

public sealed class MemoryDirectoryCloudTests : DirectoryCloudKitTests
{
    protected override IFileSystem Files { get; } = new MemoryFileSystem();

    protected override string Root => "/share/cloud";
}

public sealed class FaultyDirectoryCloudTests : DirectoryCloudKitTests
{
    protected override IFileSystem Files { get; } = new FaultyFileSystem(seed: 3);

    protected override string Root => "/share/cloud";
}

public sealed class RealDirectoryCloudTests : DirectoryCloudKitTests, IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("ledger-tests-");

    protected override IFileSystem Files { get; } = new SystemFileSystem();

    protected override string Root => Path.Combine(_directory.FullName, "cloud");

    public void Dispose() => _directory.Delete(recursive: true);
}

/// <summary>What only a cloud in a directory can get into.</summary>
public sealed class DirectoryCloudTests
{
    private const string Root = "/share/cloud";

    [Fact]
    public async Task A_place_without_a_cloud_is_said_and_left_as_it_is()
    {
        var files = new MemoryFileSystem();
        var runtime = NewRuntime(files);
        files.CreateDirectory(Root);

        var missing = await Assert.ThrowsAsync<CloudUnavailableException>(
            async () => await DirectoryCloud.OpenAsync(runtime, Root, create: false, default));
        var cloud = await DirectoryCloud.OpenAsync(runtime, Root, create: true, default);
        Damage(files, Path.Combine(Root, "CLOUD"));
        var unreadable = await Assert.ThrowsAsync<CloudUnavailableException>(
            async () => await CloudProviderConformance.ReadBacklogAsync(cloud, CloudProviderConformance.Notes));

        Assert.Equal((CloudProblem.Missing, false), (missing.Problem, missing.IsTransient));
        Assert.Equal(CloudProblem.Unreadable, unreadable.Problem);
    }

    [Fact]
    public async Task A_damaged_slot_is_given_out_as_what_nobody_can_open_and_reading_goes_on()
    {
        var files = new MemoryFileSystem();
        var cloud = await DirectoryCloud.OpenAsync(NewRuntime(files), Root, create: true, default);
        for (var number = 0; number < 3; number++)
        {
            await CloudProviderConformance.AppendAsync(cloud, CloudProviderConformance.First, number);
        }

        Damage(files, Path.Combine(
            Root, "feeds", CloudProviderConformance.Notes.ToString(), "slots/000000000000/0000000000000002"));
        var read = await CloudProviderConformance.ReadBacklogAsync(cloud, CloudProviderConformance.Notes);

        Assert.Equal(
            [CloudProviderConformance.Entry(0).Id, default, CloudProviderConformance.Entry(2).Id],
            read.Select(entry => entry.Entry.Id));
        Assert.Equal(default, read[1].Page);
    }

    [Fact]
    public void Mutated_slots_are_rejected_or_mean_themselves()
    {
        byte[][] seeds =
        [
            FeedSlot.Encode(CloudProviderConformance.First, [CloudProviderConformance.Entry(1)]),
            FeedSlot.Encode(
                CloudProviderConformance.Second,
                [.. Enumerable.Range(0, 5).Select(number => CloudProviderConformance.Entry(number * 100, 1 + number))]),
        ];

        MutationFuzz.Run(
            "slot", seeds, content => FeedSlot.Decode(1, content), count: 100_000, seed: 11,
            content =>
            {
                var slot = FeedSlot.Decode(1, content);
                return FeedSlot.Encode(slot.Page, [.. slot.Entries.Select(entry => entry.Entry)]);
            });
    }

    [Fact]
    public void Mutated_cloud_files_are_rejected_or_mean_themselves() => MutationFuzz.Run(
        "cloud file", [DirectoryCloudFiles.EncodeCloudFile(new CloudIncarnation(77))],
        content => DirectoryCloudFiles.DecodeCloudFile(content.Span), count: 100_000, seed: 12,
        content => DirectoryCloudFiles.EncodeCloudFile(DirectoryCloudFiles.DecodeCloudFile(content.Span)));

    [Fact]
    public void A_watch_wakes_readers_long_before_they_look_by_themselves()
    {
        var world = TestRuntime.Create(seed: 9);
        world.Run(async runtime =>
        {
            await using var writer = await DirectoryCloud.OpenAsync(runtime, Root, create: true, default);
            await using var reader = await DirectoryCloud.OpenAsync(runtime, Root, create: false, default);
            await using var connection = await reader.ConnectAsync(
                CloudProviderConformance.Laptop, [new(CloudProviderConformance.Notes, default)], null, default);
            Assert.IsType<CloudEvent.CaughtUp>(await connection.ReadAsync(default));

            var reading = connection.ReadAsync(default).AsTask();
            await CloudProviderConformance.AppendAsync(writer, CloudProviderConformance.First, 1);
            Assert.IsType<CloudEvent.Entries>(await reading);
        });

        Assert.True(world.Scheduler.Elapsed < TimeSpan.FromSeconds(2), $"It took {world.Scheduler.Elapsed}.");
    }

    /// <summary>
    /// A script of appends and blobs is crashed at every operation of the disk, with every kind of loss. The next life
    /// finds a valid cloud with all that was acknowledged, sends what was under way again, and goes on.
    /// </summary>
    [Fact]
    public void A_crash_at_any_operation_leaves_a_valid_cloud()
    {
        var losses = Enum.GetValues<CrashLoss>();
        var operations = RunScript(new FaultyFileSystem(), []).Operations;
        Assert.InRange(operations, 60, 2000);
        for (var operation = 1; operation <= operations; operation++)
        {
            foreach (var moment in new[] { CrashMoment.Before, CrashMoment.Middle, CrashMoment.After })
            {
                var disk = new FaultyFileSystem(operation);
                disk.Faults.CrashAt(operation, moment);
                var acknowledged = new List<FeedEntry>();
                RunScript(disk, acknowledged);
                var loss = losses[(operation + (int)moment) % losses.Length];

                CheckAfterCrash(
                    disk.CrashImage(loss, seed: operation), acknowledged,
                    $"Operation {operation}, {moment}, {loss}.");
            }
        }
    }

    private static (int Operations, bool IsCrashed) RunScript(FaultyFileSystem disk, List<FeedEntry> acknowledged)
    {
        var world = TestRuntime.Create(seed: 1, disk);
        try
        {
            world.Run(async runtime =>
            {
                var cloud = await DirectoryCloud.OpenAsync(runtime, Root, create: true, default);
                for (var number = 0; number < 4; number++)
                {
                    await AppendAsync(cloud, number, acknowledged);
                }

                await cloud.PutBlobAsync(new BlobName(1, 1), new byte[] { 1, 2, 3 }, default);
                await cloud.HasBlobsAsync([new BlobName(1, 1)], default);
            });
        }
        catch (SimulatedCrashException)
        {
            // The process died where it was to.
        }

        return (disk.Faults.OperationCount, disk.Faults.IsCrashed);
    }

    private static async Task AppendAsync(DirectoryCloud cloud, int number, List<FeedEntry> acknowledged)
    {
        var page = number % 2 == 0 ? CloudProviderConformance.First : CloudProviderConformance.Second;
        var entry = CloudProviderConformance.Entry(number, 600);
        var result = await cloud.AppendAsync(CloudProviderConformance.Notes, page, [entry], null, default);
        acknowledged.Add(new FeedEntry(result.Positions[0], page, entry));
    }

    private static void CheckAfterCrash(FaultyFileSystem image, List<FeedEntry> acknowledged, string replay)
    {
        TestRuntime.Create(seed: 2, image).Run(async runtime =>
        {
            var cloud = await DirectoryCloud.OpenAsync(runtime, Root, create: true, default);
            var found = await CloudProviderConformance.ReadBacklogAsync(cloud, CloudProviderConformance.Notes);
            Assert.True(found.Count >= acknowledged.Count && found.Count <= acknowledged.Count + 1, replay);
            Assert.True(
                found.Take(acknowledged.Count).Select(entry => (entry.Position, entry.Page, entry.Entry.Id))
                    .SequenceEqual(acknowledged.Select(entry => (entry.Position, entry.Page, entry.Entry.Id))),
                replay);

            for (var number = 0; number < 5; number++)
            {
                await AppendAsync(cloud, number, []);
            }

            await cloud.PutBlobAsync(new BlobName(1, 1), new byte[] { 1, 2, 3 }, default);
            var after = await CloudProviderConformance.ReadBacklogAsync(cloud, CloudProviderConformance.Notes);
            Assert.True(
                after.Select(entry => entry.Entry.Sequence).SequenceEqual([0, 1, 2, 3, 4]) &&
                after.All(entry => entry.Entry.Content.Span.SequenceEqual(
                    CloudProviderConformance.Entry((int)entry.Entry.Sequence, 600).Content.Span)),
                replay);
            Assert.Equal([1, 2, 3], (await cloud.GetBlobAsync(new BlobName(1, 1), default))!.Value.ToArray());
        });
    }

    private static LedgerRuntime NewRuntime(IFileSystem files) => new(
        new PoolScheduler(), TimeProvider.System, new SystemRandomness(), files, new SocketNetwork());

    private static void Damage(MemoryFileSystem files, string path)
    {
        using var file = files.Open(path, FileOpening.ReadWrite);
        file.Write(0, "damage"u8);
    }
}
