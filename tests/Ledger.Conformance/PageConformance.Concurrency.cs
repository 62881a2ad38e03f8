using System.Globalization;
using Ledger.Objects;
using Ledger.Pages;
using Xunit;
using static Ledger.Conformance.PageText;

namespace Ledger.Conformance;

/// <summary>Many writers, readers and watches on one page, checked against a model.</summary>
public abstract partial class PageConformance
{
    [Fact]
    public async Task Writers_of_their_own_keys_read_their_writes_and_the_end_state_is_everybodys_last()
    {
        const int Writers = 8;
        var ledger = await OpenLedgerAsync();

        var ends = await Task.WhenAll(Enumerable.Range(0, Writers).Select(writer => Task.Run(async () =>
        {
            var random = new Random(writer);
            var model = new Dictionary<string, string>();
            await using var page = await ledger.GetPageAsync(PageId.Root);
            for (var round = 0; round < 150; round++)
            {
                var key = $"{writer}/{random.Next(20)}";
                var durability = random.Next(4) == 0 ? Durability.Flushed : Durability.Buffered;
                switch (random.Next(10))
                {
                    case < 6:
                        model[key] = new string((char)('a' + random.Next(26)), random.Next(700));
                        await page.PutAsync(Bytes(key), Bytes(model[key]), durability: durability);
                        break;
                    case < 8:
                        model.Remove(key);
                        await page.DeleteAsync(Bytes(key), durability);
                        break;
                    case 8:
                        await using (var snapshot = await page.GetSnapshotAsync(Bytes($"{writer}/")))
                        {
                            Assert.Equal(ShowModel(model), await snapshot.ShowAsync());
                        }

                        break;
                    default:
                        Assert.Equal(model.GetValueOrDefault(key), await page.GetAsync(key));
                        break;
                }
            }

            return model;
        })));

        await using var reader = await ledger.GetPageAsync(PageId.Root);
        Assert.Equal(ShowModel(ends.SelectMany(end => end).ToDictionary()), await reader.ShowAsync());
        Assert.Single(await reader.GetHeadsAsync());
    }

    [Fact]
    public async Task Transactions_that_must_not_diverge_lose_no_update()
    {
        const int Writers = 6;
        const int Rounds = 15;
        var ledger = await OpenLedgerAsync();

        await Task.WhenAll(Enumerable.Range(0, Writers).Select(writer => Task.Run(async () =>
        {
            await using var page = await ledger.GetPageAsync(PageId.Root);
            for (var done = 0; done < Rounds;)
            {
                await using var transaction = await page.BeginTransactionAsync();
                var count = int.Parse(await transaction.GetAsync("count") ?? "0", CultureInfo.InvariantCulture);
                await transaction.PutAsync("count", $"{count + 1}");
                try
                {
                    await transaction.CommitAsync(failIfMoved: true);
                    done++;
                }
                catch (PageMovedException)
                {
                    // Somebody else was first; begin again on the new state.
                }
            }
        })));

        await using var reader = await ledger.GetPageAsync(PageId.Root);
        Assert.Equal($"{Writers * Rounds}", await reader.GetAsync("count"));
        Assert.Equal(Writers * Rounds, await reader.LogAsync().CountAsync());
    }

    [Fact]
    public async Task Every_reader_sees_the_writes_of_one_writer_in_their_order()
    {
        var ledger = await OpenLedgerAsync();
        using var stop = new CancellationTokenSource();
        var readers = Enumerable.Range(0, 4).Select(reader => Task.Run(async () =>
        {
            await using var page = await ledger.GetPageAsync(PageId.Root);
            var last = 0;
            while (!stop.IsCancellationRequested)
            {
                // The first key is written first, so that it is never behind the second.
                var second = await NumberAsync(page, "second");
                var first = await NumberAsync(page, "first");
                Assert.True(first >= second && second >= last, $"{last}, {second}, {first}");
                last = second;
            }
        })).ToList();

        await using (var writer = await ledger.GetPageAsync(PageId.Root))
        {
            for (var number = 1; number <= 200; number++)
            {
                await Task.WhenAll(writer.PutAsync("first", $"{number}"), writer.PutAsync("second", $"{number}"));
                if (number % 20 == 0)
                {
                    await writer.GetSnapshotAsync();
                }
            }
        }

        await stop.CancelAsync();
        await Task.WhenAll(readers);

        static async Task<int> NumberAsync(IPage page, string key) =>
            int.Parse(await page.GetAsync(key) ?? "0", CultureInfo.InvariantCulture);
    }

    [Fact]
    public async Task A_watch_that_follows_busy_writers_ends_at_the_state_that_they_end_at()
    {
        var ledger = await OpenLedgerAsync();
        await using var watched = await ledger.GetPageAsync(PageId.Root);
        await using var watch = await watched.WatchAsync();
        var following = Task.Run(async () =>
        {
            var seen = new SortedDictionary<string, string>(StringComparer.Ordinal);
            await foreach (var change in watch.ChangesAsync())
            {
                await foreach (var entry in change.GetEntriesAsync())
                {
                    var key = Text(entry.Key);
                    Assert.Equal(seen.GetValueOrDefault(key), entry.Before is { } old ? Text(old.Value!.Value) : null);
                    if (entry.After is { } now)
                    {
                        seen[key] = Text(now.Value!.Value);
                    }
                    else
                    {
                        seen.Remove(key);
                    }
                }

                Assert.Equal(ShowModel(seen), await change.Snapshot.ShowAsync());
            }

            return seen;
        });

        await Task.WhenAll(Enumerable.Range(0, 4).Select(writer => Task.Run(async () =>
        {
            var random = new Random(writer);
            await using var page = await ledger.GetPageAsync(PageId.Root);
            for (var round = 0; round < 100; round++)
            {
                var key = $"{random.Next(30)}";
                await (random.Next(3) == 0 ? page.DeleteAsync(key) : page.PutAsync(key, $"{writer}.{round}"));
            }
        })));
        var end = await watched.ShowAsync();
        await watched.DisposeAsync();

        Assert.Equal(end, ShowModel(await following));
    }

    [Fact]
    public async Task A_page_deleted_under_its_writers_ends_all_of_them_and_is_empty_afterwards()
    {
        var ledger = await OpenLedgerAsync();
        var pages = new List<IPage>();
        for (var writer = 0; writer < 4; writer++)
        {
            pages.Add(await ledger.GetPageAsync(PageId.Root));
        }

        await pages[0].PutAsync("first", "stored");
        var writers = pages.Select(page => Task.Run(async () =>
        {
            for (var number = 0; ; number++)
            {
                await page.PutAsync("key", $"{number}");
            }
        })).ToList();
        Assert.True(await ledger.DeletePageAsync(PageId.Root));

        foreach (var writer in writers)
        {
            await Assert.ThrowsAsync<PageDeletedException>(() => writer);
        }

        await using var page = await ledger.GetPageAsync(PageId.Root);
        Assert.Equal("", await page.ShowAsync());
    }

    [Fact]
    public async Task Random_work_of_one_connection_does_what_a_dictionary_does_over_many_openings()
    {
        for (var seed = 0; seed < 4; seed++)
        {
            var random = new Random(seed);
            var id = new PageId(Fill(16 + seed).AsSpan(0, 16));
            var model = new Dictionary<string, string>();
            for (var opening = 0; opening < 4; opening++)
            {
                var ledger = await OpenLedgerAsync();
                await using (var page = await ledger.GetPageAsync(id))
                {
                    for (var round = 0; round < 60; round++)
                    {
                        model = await WorkAsync(page, model, random);
                        if (random.Next(10) == 0)
                        {
                            Assert.True(ShowModel(model) == await page.ShowAsync(), $"Seed {seed}, round {round}.");
                        }
                    }
                }

                await ledger.DisposeAsync();
            }

            var last = await OpenLedgerAsync();
            await using var end = await last.GetPageAsync(id);
            Assert.True(ShowModel(model) == await end.ShowAsync(), $"Seed {seed}.");
            var tally = new VerifyTally(null);
            await new LedgerVerification(last.Services, "tests", tally).RunAsync(default);
            Assert.Empty(tally.ToReport().Problems);
            await last.DisposeAsync();
        }
    }

    private static async Task<Dictionary<string, string>> WorkAsync(
        IPage page, Dictionary<string, string> model, Random random)
    {
        var key = $"{random.Next(40)}";
        var value = new string((char)('a' + random.Next(26)), random.Next(4) == 0 ? 600 : random.Next(30));
        switch (random.Next(12))
        {
            case < 5:
                await page.PutAsync(key, value);
                model[key] = value;
                return model;
            case < 8:
                await page.DeleteAsync(key);
                model.Remove(key);
                return model;
            case 8:
                await page.PutReferenceAsync(Bytes(key), await page.CreateReferenceAsync(Bytes(value)));
                model[key] = value;
                return model;
            case 9 when random.Next(4) == 0:
                await page.ClearAsync();
                return [];
            default:
                await using (var transaction = await page.BeginTransactionAsync())
                {
                    var changed = await WorkAsync(transaction, model, random);
                    if (random.Next(3) == 0)
                    {
                        await transaction.RollbackAsync();
                        return model;
                    }

                    await transaction.CommitAsync(failIfMoved: true);
                    return changed;
                }
        }
    }

    private static async Task<Dictionary<string, string>> WorkAsync(
        ITransaction transaction, Dictionary<string, string> model, Random random)
    {
        var changed = new Dictionary<string, string>(model);
        for (var count = random.Next(6); count > 0; count--)
        {
            var key = $"{random.Next(40)}";
            switch (random.Next(8))
            {
                case 0:
                    await transaction.ClearAsync();
                    changed.Clear();
                    break;
                case < 3:
                    await transaction.DeleteAsync(key);
                    changed.Remove(key);
                    break;
                default:
                    changed[key] = new string('t', random.Next(2) * 600);
                    await transaction.PutAsync(key, changed[key]);
                    break;
            }

            Assert.Equal(changed.GetValueOrDefault(key), await transaction.GetAsync(key));
        }

        return changed;
    }

    private static string ShowModel(IReadOnlyDictionary<string, string> model) => string.Join(
        ',', model.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}={pair.Value}"));
}
