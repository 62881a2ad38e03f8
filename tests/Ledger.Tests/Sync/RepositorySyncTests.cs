using System.Security.Cryptography;
using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Pages;
using Ledger.Runtime;
using Ledger.Sync;
using Xunit;
using static Ledger.Conformance.PageText;

namespace Ledger.Tests.Sync;

/// <summary>What an application does: set up, join, start, and what is kept on the disk.</summary>
public sealed class RepositorySyncTests
{
    private const string Cloud = "dir:/cloud";

    [Fact]
    public void A_second_device_joins_with_the_secret_and_has_everything() => Run(seed: 40, async runtime =>
    {
        var options = new RepositoryOptions { Runtime = runtime };
        await using var first = await Repository.OpenAsync("/a", options);
        await PutAsync(first, "a", "1");
        var secret = await first.InitSyncAsync(Cloud);
        await secret.WriteAsync("/secret", runtime);
        await using var sync = await first.StartSyncAsync();
        await sync.SyncNowAsync();

        await using var second = await Repository.JoinAsync(
            "/b", await SyncSecret.ReadAsync("/secret", runtime), options: options);
        await using var other = await second.StartSyncAsync();
        var ledger = await second.GetLedgerAsync("notes");
        await other.SyncNowAsync();

        await using var page = await ledger.GetPageAsync(PageId.Root);
        Assert.Equal("a=1", await page.ShowAsync());
        Assert.Equal(["notes"], other.Ledgers);
        Assert.Equal(SyncPhase.Idle, (await other.GetStatusAsync("notes")).Phase);
        Assert.Equal(2, (await first.ReadSyncSecretAsync())!.ToText().Split("dir:").Length);
    });

    [Fact]
    public void Joining_needs_an_empty_directory_and_imports_what_was_in_another_one() => Run(seed: 41, async runtime =>
    {
        var options = new RepositoryOptions { Runtime = runtime };
        await using var first = await Repository.OpenAsync("/a", options);
        await PutAsync(first, "a", "1");
        var secret = await first.InitSyncAsync(Cloud);
        await using (var own = await Repository.OpenAsync("/old", options))
        {
            await PutAsync(own, "b", "2");
            await PutAsync(own, "big", new string('x', 100_000));
        }

        var refused = await Assert.ThrowsAsync<StoreUnavailableException>(
            () => Repository.JoinAsync("/old", secret, options: options));
        await using var joined = await Repository.JoinAsync("/new", secret, "/old", options);
        await using var here = await first.StartSyncAsync();
        await using var there = await joined.StartSyncAsync();
        await there.SyncNowAsync();
        await here.SyncNowAsync();

        await using var page = await (await first.GetLedgerAsync("notes")).GetPageAsync(PageId.Root);
        Assert.Contains("secret of its own", refused.Message, StringComparison.Ordinal);
        Assert.Equal("1", await page.GetAsync("a"));
        Assert.Equal("2", await page.GetAsync("b"));
        Assert.Equal(100_000, (await page.GetAsync("big"))!.Length);
    });

    [Fact]
    public void Synchronisation_is_set_up_once_and_runs_once() => Run(seed: 42, async runtime =>
    {
        var options = new RepositoryOptions { Runtime = runtime };
        await using var repository = await Repository.OpenAsync("/a", options);
        await Assert.ThrowsAsync<InvalidOperationException>(() => repository.StartSyncAsync());
        await Assert.ThrowsAsync<ArgumentException>(() => repository.InitSyncAsync("elsewhere"));

        var secret = await repository.InitSyncAsync(Cloud);
        var again = await repository.InitSyncAsync(Cloud);
        await Assert.ThrowsAsync<InvalidOperationException>(() => repository.InitSyncAsync("dir:/other"));
        await using var sync = await repository.StartSyncAsync();
        await Assert.ThrowsAsync<InvalidOperationException>(() => repository.StartSyncAsync());
        await Assert.ThrowsAsync<InvalidOperationException>(() => repository.ResetSyncAsync("dir:/other"));

        Assert.Equal(secret.ToText(), again.ToText());
    });

    [Fact]
    public void A_reset_goes_on_with_a_new_cloud_and_sends_everything() => Run(seed: 43, async runtime =>
    {
        var options = new RepositoryOptions { Runtime = runtime };
        await using var first = await Repository.OpenAsync("/a", options);
        await PutAsync(first, "a", "1");
        await first.InitSyncAsync(Cloud);
        await using (var sync = await first.StartSyncAsync())
        {
            await sync.SyncNowAsync();
        }

        var secret = await first.ResetSyncAsync("dir:/new-cloud");
        await using var again = await first.StartSyncAsync();
        await again.SyncNowAsync();
        await using var second = await Repository.JoinAsync("/b", secret, options: options);
        await using var other = await second.StartSyncAsync();
        var ledger = await second.GetLedgerAsync("notes");
        await other.SyncNowAsync();

        await using var page = await ledger.GetPageAsync(PageId.Root);
        Assert.Equal("a=1", await page.ShowAsync());
    });

    [Fact]
    public void A_device_that_erases_what_it_has_takes_the_clouds_state() => Run(seed: 44, async runtime =>
    {
        var options = new RepositoryOptions { Runtime = runtime };
        await using var first = await Repository.OpenAsync("/a", options);
        await PutAsync(first, "a", "1");
        await first.InitSyncAsync(Cloud);
        await using (var sync = await first.StartSyncAsync())
        {
            await sync.SyncNowAsync();
        }

        await PutAsync(first, "b", "2");
        await first.EraseLocalAsync();
        await using var again = await first.StartSyncAsync();
        var ledger = await first.GetLedgerAsync("notes");
        await again.SyncNowAsync();

        await using var page = await ledger.GetPageAsync(PageId.Root);
        Assert.Equal("a=1", await page.ShowAsync());
    });

    [Theory]
    [InlineData("ledger-secret 2\n")]
    [InlineData("")]
    [InlineData("ledger-secret 1\nsecret: 00\ncloud: dir:/x\ncheck: 00000000\n")]
    [InlineData("ledger-secret 1\ncloud: dir:/x\ncheck: 00000000\n")]
    public void A_secret_that_was_mistyped_is_refused(string text) =>
        Assert.Throws<FormatException>(() => SyncSecret.Parse(text));

    [Fact]
    public void A_secret_is_read_as_it_was_written_and_never_shown_by_chance()
    {
        var secret = new SyncSecret(SyncDevice.Secret, Cloud);

        var read = SyncSecret.Parse(secret.ToText().ReplaceLineEndings("\r\n"));

        Assert.Equal(secret.ToText(), read.ToText());
        Assert.DoesNotContain(Convert.ToHexStringLower(SyncDevice.Secret.Span), $"{secret}", StringComparison.Ordinal);
    }

    [Fact]
    public void A_device_has_a_key_pair_from_the_day_it_is_set_up() => Run(seed: 45, runtime =>
    {
        var file = SyncFile.Create(runtime, Cloud);

        var read = SyncFile.Decode(file.Encode());
        using var key = ECDiffieHellman.Create(new ECParameters
        {
            Curve = ECCurve.NamedCurves.nistP256,
            Q = new ECPoint { X = read.PublicKey[..32], Y = read.PublicKey[32..] },
        });

        Assert.Equal(256, key.KeySize);
        Assert.Equal(Cloud, read.Cloud);
        var content = file.Encode();
        for (var index = 0; index < content.Length; index++)
        {
            var damaged = content.ToArray();
            damaged[index] ^= 1;
            Assert.ThrowsAny<LedgerException>(() => SyncFile.Decode(damaged));
        }

        return Task.CompletedTask;
    });

    [Fact]
    public void A_cloud_that_is_away_when_synchronisation_starts_is_waited_for()
    {
        var files = new VanishingFileSystem(new MemoryFileSystem(), "/cloud");
        TestRuntime.Create(46, files).Run(async runtime =>
        {
            await using var repository = await Repository.OpenAsync("/a", new RepositoryOptions { Runtime = runtime });
            await PutAsync(repository, "a", "1");
            await repository.InitSyncAsync(Cloud);
            files.IsAway = true;
            await using var sync = await repository.StartSyncAsync();
            await runtime.Delay(TimeSpan.FromMinutes(1), default);
            Assert.Contains("no cloud", (await sync.GetStatusAsync("notes")).Error, StringComparison.Ordinal);

            files.IsAway = false;
            await sync.SyncNowAsync();

            Assert.Equal(1, (await sync.GetStatusAsync("notes")).EntriesSent);
        });
    }

    [Fact]
    public void A_ledger_that_is_damaged_keeps_no_other_one_from_synchronising() => Run(seed: 47, async runtime =>
    {
        var options = new RepositoryOptions { Runtime = runtime };
        string[] before;
        await using (var repository = await Repository.OpenAsync("/a", options))
        {
            await PutAsync(repository, "a", "1");
            before = ManifestsBelow(runtime.Files, "/a");
            await repository.GetLedgerAsync("bad");
            await repository.InitSyncAsync(Cloud);
        }

        var manifest = Assert.Single(ManifestsBelow(runtime.Files, "/a").Except(before));
        using (var file = runtime.Files.Open(manifest, FileOpening.ReadWrite))
        {
            file.Write(0, "damage"u8);
        }

        await using var again = await Repository.OpenAsync("/a", options);
        await using (var sync = await again.StartSyncAsync())
        {
            await sync.SyncNowAsync();
            Assert.Equal(["notes"], sync.Ledgers);
            Assert.Equal(1, (await sync.GetStatusAsync("notes")).EntriesSent);
        }

        await again.ResetSyncAsync("dir:/new-cloud");
    });

    [Fact]
    public void A_ledger_whose_opening_was_cancelled_synchronises_when_it_is_opened_again() => Run(
        seed: 48, async runtime =>
        {
            await using var repository = await Repository.OpenAsync("/a", new RepositoryOptions { Runtime = runtime });
            await repository.InitSyncAsync(Cloud);
            await using var sync = await repository.StartSyncAsync();
            for (var number = 0; number < 60; number++)
            {
                using var end = new CancellationTokenSource();
                var opening = repository.GetLedgerAsync($"{number}", end.Token);
                for (var step = 0; step < number && !opening.IsCompleted; step++)
                {
                    await new YieldAwaitable(runtime.Scheduler);
                }

                end.Cancel();
                try
                {
                    await opening;
                }
                catch (OperationCanceledException)
                {
                    // It is opened again.
                }

                await repository.GetLedgerAsync($"{number}");
                Assert.Contains($"{number}", sync.Ledgers);
            }
        });

    [Fact]
    public void An_engine_that_was_being_started_ends_with_its_synchronisation() => Run(seed: 49, async runtime =>
    {
        for (var count = 0; count < 30; count++)
        {
            await using var repository = await Repository.OpenAsync(
                $"/{count}", new RepositoryOptions { Runtime = runtime });
            await repository.InitSyncAsync(Cloud);
            var sync = await repository.StartSyncAsync();
            var ledger = (LedgerStore)await repository.GetLedgerAsync("notes");
            await sync.DisposeAsync();
            var cloud = await DirectoryCloud.OpenAsync(runtime, "/cloud", create: false, default);
            var other = new RepositorySync(runtime, cloud, Cloud, SyncDevice.Secret, _ => { });
            var adding = other.AddAsync(ledger, default);
            for (var step = 0; step < count; step++)
            {
                await new YieldAwaitable(runtime.Scheduler);
            }

            await other.DisposeAsync();
            await adding;

            Assert.Null(ledger.Services.Fetcher);
        }
    });

    [Fact]
    public void A_reset_to_a_place_that_cannot_be_used_leaves_everything_as_it_was()
    {
        var files = new VanishingFileSystem(new MemoryFileSystem(), "/away") { IsAway = true };
        TestRuntime.Create(50, files).Run(async runtime =>
        {
            await using var repository = await Repository.OpenAsync("/a", new RepositoryOptions { Runtime = runtime });
            await PutAsync(repository, "a", "1");
            await repository.InitSyncAsync(Cloud);
            await using (var sync = await repository.StartSyncAsync())
            {
                await sync.SyncNowAsync();
            }

            await Assert.ThrowsAsync<CloudUnavailableException>(() => repository.ResetSyncAsync("dir:/away/cloud"));

            var ledger = (LedgerStore)await repository.GetLedgerAsync("notes");
            Assert.NotNull(await ledger.Services.Store.ReadRowAsync(SyncRowKeys.Anchor, default));
            Assert.Contains(Cloud, (await repository.ReadSyncSecretAsync())!.ToText(), StringComparison.Ordinal);
        });
    }

    private static string[] ManifestsBelow(IFileSystem files, string path) =>
    [
        .. files.List(path).Select(name => Path.Combine(path, name)).SelectMany(child =>
            files.DirectoryExists(child) ? ManifestsBelow(files, child)
            : Path.GetFileName(child) == "MANIFEST" ? [child]
            : []),
    ];

    private static async Task PutAsync(Repository repository, string key, string value)
    {
        var ledger = await repository.GetLedgerAsync("notes");
        await using var page = await ledger.GetPageAsync(PageId.Root);
        await page.PutAsync(key, value);
    }

    private static void Run(int seed, Func<LedgerRuntime, Task> body) => TestRuntime.Create(seed).Run(body);
}
