using System.Text;
using System.Text.Json;
using Ledger.Commits;
using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Pages;
using Ledger.Pages.Rows;
using Ledger.Runtime;
using Ledger.Runtime.Real;
using Xunit;

namespace Ledger.Tests;

public sealed class RepositoryTests
{
    private const string Home = "/data/repository";

    private readonly MemoryFileSystem _disk = new();

    [Fact]
    public async Task What_was_put_is_there_when_the_repository_is_opened_again()
    {
        string device;
        await using (var repository = await OpenAsync())
        {
            device = repository.DeviceId;
            var ledger = await repository.GetLedgerAsync("notes");
            await using var page = await ledger.GetPageAsync(PageId.Root);
            await page.PutAsync("a", "1");
        }

        await using var reopened = await OpenAsync();
        await using var again = await (await reopened.GetLedgerAsync("notes")).GetPageAsync(PageId.Root);

        Assert.Equal("1", await again.GetAsync("a"));
        Assert.Equal("a=1", await again.ShowAsync());
        Assert.Equal(device, reopened.DeviceId);
        Assert.Matches("^[0-9a-f]{32}$", device);
    }

    [Fact]
    public async Task Ledgers_do_not_see_each_other_and_are_listed_by_their_names()
    {
        string[] names = ["..", "../x", "CON", "a/b", "äöü", "notes", new string('n', 255)];
        await using (var repository = await OpenAsync())
        {
            foreach (var name in names)
            {
                var ledger = await repository.GetLedgerAsync(name);
                await using var page = await ledger.GetPageAsync(PageId.Root);
                await page.PutAsync("name", name);
                Assert.Same(ledger, await repository.GetLedgerAsync(name));
                Assert.Equal(name, ledger.Name);
            }
        }

        await using var reopened = await OpenAsync();
        Assert.Equal(names.Order(StringComparer.Ordinal), await reopened.ListLedgersAsync());
        foreach (var name in names)
        {
            await using var page = await (await reopened.GetLedgerAsync(name)).GetPageAsync(PageId.Root);
            Assert.Equal(name, await page.GetAsync("name"));
        }

        Assert.Equal(["repository"], _disk.List("/data"));
        await Assert.ThrowsAsync<ArgumentException>(() => reopened.GetLedgerAsync(""));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => reopened.GetLedgerAsync(new string('n', 256)));
    }

    [Fact]
    public async Task A_directory_that_holds_something_else_is_refused_and_left_as_it_is()
    {
        _disk.CreateDirectory(Home);
        _disk.Open($"{Home}/thesis.txt", FileOpening.CreateNew).Dispose();

        var refused = await Assert.ThrowsAsync<StoreUnavailableException>(() => OpenAsync());

        Assert.Equal(StoreUnavailableReason.NotARepository, refused.Reason);
        Assert.Equal(["thesis.txt"], _disk.List(Home));
    }

    [Fact]
    public async Task A_missing_directory_is_not_made_for_reading_or_when_that_is_not_wanted()
    {
        foreach (var options in new[] { new RepositoryOptions { ReadOnly = true }, new() { CreateIfMissing = false } })
        {
            var refused = await Assert.ThrowsAsync<StoreUnavailableException>(() => OpenAsync(options));
            Assert.Equal(StoreUnavailableReason.NotARepository, refused.Reason);
        }

        Assert.False(_disk.DirectoryExists("/data"));
    }

    [Fact]
    public async Task A_store_that_was_copied_under_another_name_is_damaged_and_locks_nothing()
    {
        await using (var repository = await OpenAsync())
        {
            await repository.GetLedgerAsync("notes");
        }

        var store = $"{Home}/ledgers/{Assert.Single(_disk.List($"{Home}/ledgers"))}";
        var copy = $"{Home}/ledgers/{new string('0', 32)}";
        DirectoryCopy.Copy(_disk, store, copy);
        await using var reopened = await OpenAsync();
        for (var time = 0; time < 2; time++)
        {
            var damaged = await Assert.ThrowsAsync<CorruptObjectException>(() => reopened.ListLedgersAsync());

            Assert.Contains(store, damaged.Message, StringComparison.Ordinal);
            Assert.Contains(copy, Assert.Single((await reopened.VerifyAsync()).Problems), StringComparison.Ordinal);
        }

        await reopened.GetLedgerAsync("notes");
    }

    [Fact]
    public async Task A_repository_that_is_open_is_refused_until_it_is_closed()
    {
        var repository = await OpenAsync();

        var refused = await Assert.ThrowsAsync<StoreUnavailableException>(() => OpenAsync());

        Assert.Equal(StoreUnavailableReason.Locked, refused.Reason);
        Assert.True(refused.IsTransient);
        await repository.DisposeAsync();
        await repository.DisposeAsync();
        await (await OpenAsync()).DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => repository.GetLedgerAsync("notes"));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => repository.ListLedgersAsync());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => repository.FlushAsync());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => repository.VerifyAsync());
    }

    [Fact]
    public async Task A_repository_of_a_newer_version_and_a_damaged_one_are_refused_and_left_as_they_are()
    {
        await (await OpenAsync()).DisposeAsync();
        var path = $"{Home}/{RepositoryFile.Name}";

        Overwrite(path, 8, 2);
        var tooNew = await Assert.ThrowsAsync<FormatTooNewException>(() => OpenAsync());
        Overwrite(path, 8, 1);
        await (await OpenAsync()).DisposeAsync();
        Overwrite(path, 40, 77);
        await Assert.ThrowsAsync<CorruptObjectException>(() => OpenAsync());
        await Assert.ThrowsAsync<CorruptObjectException>(() => OpenAsync());

        Assert.Equal((2, 1), (tooNew.Version, tooNew.VersionMax));
    }

    [Fact]
    public void The_file_of_a_repository_and_the_settings_that_come_of_it_are_the_golden_ones()
    {
        var golden = JsonSerializer.Deserialize<Dictionary<string, string>>(
            TestData.ReadText("golden/repository.json"))!;
        var file = SampleFile();

        Assert.Equal(golden["file"], Convert.ToHexStringLower(file.Encode()));
        Assert.Equal(golden["settings of notes"], Convert.ToHexStringLower(file.SettingsOf("notes", 5).Encode()));
    }

    [Fact]
    public void A_mutated_file_of_a_repository_is_rejected()
    {
        var result = MutationFuzz.Run(
            "repository", [SampleFile().Encode()], content => RepositoryFile.Decode(content.Span), 100_000, seed: 1,
            content => RepositoryFile.Decode(content.Span).Encode());

        Assert.InRange(result.Accepted, 0, 100_000);
    }

    [Fact]
    public async Task A_repository_opened_for_reading_shows_everything_also_journals_and_takes_no_writes()
    {
        await using (var repository = await OpenAsync())
        {
            await using var page = await (await repository.GetLedgerAsync("notes")).GetPageAsync(PageId.Root);
            await page.PutAsync("a", "1");
            await page.GetSnapshotAsync();
            await page.PutAsync("b", "journal");
        }

        var before = Contents();
        await using (var reading = await OpenAsync(new RepositoryOptions { ReadOnly = true }))
        {
            var ledger = await reading.GetLedgerAsync("notes");
            for (var opening = 0; opening < 2; opening++)
            {
                await using var page = await ledger.GetPageAsync(PageId.Root);
                Assert.Equal("a=1,b=journal", await page.ShowAsync());
                Assert.Equal(2, await page.LogAsync().CountAsync());
                await AssertReadOnlyAsync(() => page.PutAsync("c", "1"));
                await AssertReadOnlyAsync(() => page.BeginTransactionAsync());
                await AssertReadOnlyAsync(() => page.CreateReferenceAsync(new byte[1]));
                await AssertReadOnlyAsync(() => ledger.DeletePageAsync(PageId.Root));
                await AssertReadOnlyAsync(() => ledger.CreatePageAsync());
            }

            await using var unknown = await (await reading.GetLedgerAsync("unknown")).GetPageAsync(PageId.Root);
            Assert.Equal("", await unknown.ShowAsync());
            Assert.Empty((await reading.VerifyAsync()).Problems);
        }

        Assert.Equal(before, Contents());
    }

    [Fact]
    public async Task Verify_counts_what_it_walks_and_finds_nothing_in_a_sound_repository()
    {
        await using var repository = await OpenAsync();
        var ledger = await repository.GetLedgerAsync("notes");
        await using var page = await ledger.GetPageAsync(PageId.Root);
        await page.PutAsync("large", new string('x', 300_000));
        for (var number = 0; number < 500; number++)
        {
            await page.PutAsync($"key {number}", $"{number}");
        }

        await page.GetSnapshotAsync();
        await page.DeleteAsync("key 7");
        await page.GetSnapshotAsync();
        await page.PutAsync("journal", new string('y', 1000));
        var progress = new List<VerifyReport>();

        var report = await repository.VerifyAsync(new Progress(progress));

        Assert.Empty(report.Problems);
        Assert.Equal((1, 1, 2), (report.Ledgers, report.Pages, report.Commits));
        // How many nodes there are depends on the salt, which is random.
        Assert.InRange(report.Objects, 10, 200);
        Assert.InRange(report.Bytes, 20_000, 2_000_000);
        Assert.InRange(report.LogBytes, 20_000, 2_000_000);
        Assert.NotEmpty(progress);
    }

    [Fact]
    public async Task A_creation_that_a_crash_cuts_short_anywhere_leaves_what_opens_or_is_made_anew()
    {
        var operations = 0;
        for (var at = 1; at == 1 || at <= operations; at++)
        {
            foreach (var loss in Enum.GetValues<CrashLoss>())
            {
                var disk = new FaultyFileSystem();
                disk.CreateDirectory("/data");
                disk.MakeDurable();
                var first = disk.Faults.OperationCount;
                if (operations > 0)
                {
                    disk.Faults.CrashAt(first + at);
                }

                await Record.ExceptionAsync(() => CreateAsync(disk));
                operations = Math.Max(operations, disk.Faults.OperationCount - first);
                var image = disk.CrashImage(loss, seed: at);

                await CreateAsync(image);

                await using var repository = await Repository.OpenAsync(Home, OptionsOn(image));
                Assert.True((await repository.ListLedgersAsync()).SequenceEqual(["notes"]), $"Operation {at}, {loss}.");
            }
        }

        Assert.InRange(operations, 8, 100);

        static async Task CreateAsync(IFileSystem disk)
        {
            await using var repository = await Repository.OpenAsync(Home, OptionsOn(disk));
            var ledger = await repository.GetLedgerAsync("notes");
            await using var page = await ledger.GetPageAsync(PageId.Root);
            await page.PutAsync("a", "1");
        }
    }

    [Fact]
    public async Task A_creation_that_a_crash_cuts_short_anywhere_can_be_read_as_far_as_it_came()
    {
        var operations = 0;
        for (var at = 1; at == 1 || at <= operations; at++)
        {
            foreach (var loss in Enum.GetValues<CrashLoss>())
            {
                var disk = new FaultyFileSystem();
                await (await Repository.OpenAsync(Home, OptionsOn(disk))).DisposeAsync();
                disk.MakeDurable();
                var first = disk.Faults.OperationCount;
                if (operations > 0)
                {
                    disk.Faults.CrashAt(first + at);
                }

                await Record.ExceptionAsync(async () =>
                {
                    await using var crashing = await Repository.OpenAsync(Home, OptionsOn(disk));
                    await crashing.GetLedgerAsync("notes");
                });
                operations = Math.Max(operations, disk.Faults.OperationCount - first);
                var image = disk.CrashImage(loss, seed: at);

                await using var reading = await Repository.OpenAsync(
                    Home, OptionsOn(image, new RepositoryOptions { ReadOnly = true }));
                var error = await Record.ExceptionAsync(async () =>
                {
                    await reading.ListLedgersAsync();
                    await using var page = await (await reading.GetLedgerAsync("notes")).GetPageAsync(PageId.Root);
                    Assert.Equal("", await page.ShowAsync());
                });
                Assert.True(error is null, $"Operation {at}, {loss}: {error}");
            }
        }

        Assert.InRange(operations, 5, 100);
    }

    [Fact]
    public async Task A_ledger_whose_settings_cannot_be_read_says_so_each_time_and_is_not_left_locked()
    {
        await using (var repository = await OpenAsync())
        {
            var ledger = (LedgerStore)await repository.GetLedgerAsync("notes");
            await using var lease = ledger.Services.Store.BeginWrite();
            lease.SetRow(RowKeys.Settings, new byte[] { 1, 0 });
            await lease.CommitAsync(Durability.Flushed, default);
        }

        await using var reopened = await OpenAsync();

        await Assert.ThrowsAsync<CorruptObjectException>(() => reopened.ListLedgersAsync());
        await Assert.ThrowsAsync<CorruptObjectException>(() => reopened.ListLedgersAsync());
        await Assert.ThrowsAsync<CorruptObjectException>(() => reopened.GetLedgerAsync("notes"));
    }

    [Fact]
    public async Task A_ledger_that_cannot_be_opened_is_found_by_verify_and_harms_no_other()
    {
        await using (var repository = await OpenAsync())
        {
            foreach (var name in new[] { "broken", "sound" })
            {
                await using var page = await (await repository.GetLedgerAsync(name)).GetPageAsync(PageId.Root);
                await page.PutAsync("a", name);
            }

            Assert.True(await repository.LedgerExistsAsync("sound"));
        }

        Overwrite($"{PathOf("broken")}/MANIFEST", 3, 77);
        await using var reopened = await OpenAsync();

        Assert.True(await reopened.LedgerExistsAsync("sound"));
        Assert.False(await reopened.LedgerExistsAsync("absent"));
        await Assert.ThrowsAsync<CorruptObjectException>(() => reopened.LedgerExistsAsync("broken"));
        var report = await reopened.VerifyAsync();
        Assert.Contains("cannot be opened", Assert.Single(report.Problems), StringComparison.Ordinal);
        Assert.Equal((1, 1), (report.Ledgers, report.Pages));
    }

    private static async Task AssertReadOnlyAsync(Func<Task> work) => Assert.Equal(
        StoreUnavailableReason.ReadOnly, (await Assert.ThrowsAsync<StoreUnavailableException>(work)).Reason);

    private static RepositoryFile SampleFile() => new(
        UInt128.Parse("11111111111111111111111111111111"), new DeviceId(UInt128.MaxValue / 3),
        Enumerable.Range(1, 32).Select(value => (byte)value).ToArray());

    private static RepositoryOptions OptionsOn(IFileSystem disk, RepositoryOptions? options = null)
    {
        var system = SystemRuntime.Create();
        return (options ?? new RepositoryOptions()) with
        {
            Runtime = new LedgerRuntime(system.Scheduler, system.Time, system.Random, disk, system.Network),
        };
    }

    private Task<Repository> OpenAsync(RepositoryOptions? options = null) =>
        Repository.OpenAsync(Home, OptionsOn(_disk, options));

    private static string PathOf(string ledger)
    {
        Span<byte> hash = stackalloc byte[ObjectId.HashSizeBytes];
        Blake3.Hash(Encoding.UTF8.GetBytes(ledger), hash);
        return $"{Home}/ledgers/{Convert.ToHexStringLower(hash[..16])}";
    }

    private void Overwrite(string path, long offset, byte value)
    {
        using var file = _disk.Open(path, FileOpening.ReadWrite);
        file.Write(offset, [value]);
    }

    private SortedDictionary<string, string> Contents()
    {
        var found = new SortedDictionary<string, string>(StringComparer.Ordinal);
        var waiting = new Stack<string>([Home]);
        while (waiting.TryPop(out var path))
        {
            if (_disk.DirectoryExists(path))
            {
                foreach (var name in _disk.List(path))
                {
                    waiting.Push($"{path}/{name}");
                }

                continue;
            }

            using var file = _disk.Open(path, FileOpening.ReadOnly);
            var content = new byte[file.Length];
            file.ReadFully(0, content);
            found.Add(path, Convert.ToHexStringLower(content));
        }

        return found;
    }

    private sealed class Progress(List<VerifyReport> reports) : IProgress<VerifyReport>
    {
        public void Report(VerifyReport value) => reports.Add(value);
    }
}
