using System.Buffers.Binary;
using System.Globalization;
using Ledger.Benchmarks.Measuring;
using Ledger.Benchmarks.Stores;
using Ledger.Objects;
using Ledger.Pages;

namespace Ledger.Benchmarks.Experiments;

/// <summary>How opening grows with what is stored.</summary>
internal sealed class OpenGrowth : Experiment
{
    private const string FirstGet = "first get ms";
    private const string Read = "read KiB";
    private const string Resident = "peak RSS MiB";
    private const int JournalEntries = 1_000;
    private const long HeapLimitBytes = 64L << 20;

    /// <inheritdoc/>
    public override string Name => "open";

    /// <inheritdoc/>
    public override string Title => "Opening stores of many sizes, and of ten thousand pages: time, bytes read, memory";

    /// <inheritdoc/>
    public override string Meaning =>
        "A new process for each opening, after the store's files were dropped from the system's cache; time counts " +
        "from the program's first line to the answer of the first get. Bytes read are those that came through the " +
        "disk seam, memory is the process's peak. The stores take turns in every round. Killed means: a process put " +
        "a thousand more entries and ended by SIGKILL; every round opens a copy. All should be the same for all sizes.";

    /// <inheritdoc/>
    public override async Task RunAsync(Context context)
    {
        var sizes = context.Sizes([1_000, 10_000], [10_000, 100_000, 1_000_000], [10_000, 100_000, 1_000_000]);
        var pages = context.Pick(20, 1_000, 10_000, 10_000);
        foreach (var isKilled in (bool[])[false, true])
        {
            var stores = new List<Stored>();
            foreach (var size in sizes)
            {
                var entries = new EntryStream(size, seed: 1);
                var directory = context.NewDirectory("open");
                await using (var store = await LedgerContender.OpenAsync(directory, entries.CacheSizeBytes))
                {
                    await store.LoadAsync(entries, batchSize: 10_000);
                }

                stores.Add(new Stored($"{size:N0} entries", directory, PageId.Root, entries.Key(size / 2)));
            }

            stores.Add(await MakePagesAsync(context, pages));
            if (isKilled)
            {
                foreach (var store in stores)
                {
                    await ChildTasks.FillAndDieInChildAsync(Contender.Ledger, store.Directory, JournalEntries);
                }
            }

            var state = isKilled ? "killed" : "clean";
            var rounds = await Rounds.RunAsync(
                $"After {(isKilled ? "SIGKILL" : "a clean close")}", context.Rounds, 1,
                [.. stores.Select(store => new Lane(
                    store.Name, (meter, _) => OpenAsync(context, store.Directory, store.Page, store.Key, meter)))]);
            context.Report.Add(rounds);
            Add(context, rounds, state, [.. stores.Select(store => store.Name)]);
            await OpenUnderLimitAsync(context, stores[^2].Directory, stores[^2].Page, stores[^2].Key, state);
        }
    }

    private static void Add(Context context, Rounds rounds, string state, IReadOnlyList<string> names)
    {
        foreach (var name in names)
        {
            context.Report.Ratio(
                $"open to first get, {name}, {state}", rounds.Figures(name, FirstGet), "the same for all", "ms");
        }

        foreach (var name in names.Skip(1))
        {
            foreach (var (label, what) in ((string, string)[])
                [(FirstGet, "time"), (Read, "bytes read"), (Resident, "memory")])
            {
                context.Report.Ratio(
                    $"open, {what}, {name} over {names[0]}, {state}",
                    [.. rounds.Figures(name, label).Zip(rounds.Figures(names[0], label), (many, few) => many / few)],
                    "1");
            }
        }
    }

    private static async Task<Stored> MakePagesAsync(Context context, int pages)
    {
        var entries = new EntryStream(pages, seed: 1);
        var directory = context.NewDirectory("pages");
        await using var repository = await Repository.OpenAsync(
            directory, new RepositoryOptions { Durability = Durability.Buffered });
        var ledger = await repository.GetLedgerAsync("benchmark");
        var bytes = new byte[PageId.SizeBytes];
        for (var i = 0; i < pages; i++)
        {
            BinaryPrimitives.WriteInt32BigEndian(bytes, i + 1);
            await using var page = await ledger.GetPageAsync(new PageId(bytes));
            await page.PutAsync(entries.Key(i), entries.Value(i));
        }

        return new Stored($"{pages:N0} pages", directory, new PageId(bytes), entries.Key(pages - 1));
    }

    private static async Task OpenAsync(
        Context context, string directory, PageId page, ReadOnlyMemory<byte> key, Meter meter)
    {
        var copy = context.NewDirectory("copy");
        DirectorySize.Copy(directory, copy);
        DiskProbe.DropCache(copy);
        Opening? opening = null;
        await meter.MeasureAsync(1, async () =>
            opening = await ChildTasks.OpenInChildAsync(Contender.Ledger, copy, page, key));
        Directory.Delete(copy, recursive: true);
        if (!opening!.IsFound)
        {
            throw new InvalidOperationException("An entry is lost.");
        }

        meter.Record("open ms", opening.OpenMs);
        meter.Record(FirstGet, opening.FirstGetMs);
        meter.Record("again ms", opening.SecondOpenMs);
        meter.Record(Read, opening.BytesRead / 1024.0);
        meter.Record(Resident, opening.ResidentBytes / (double)(1 << 20));
    }

    private static async Task OpenUnderLimitAsync(
        Context context, string directory, PageId page, ReadOnlyMemory<byte> key, string state)
    {
        var opening = await ChildTasks.OpenInChildAsync(
            Contender.Ledger, directory, page, key,
            ("DOTNET_GCHeapHardLimit", HeapLimitBytes.ToString("x", CultureInfo.InvariantCulture)));
        context.Report.Figure(
            $"peak memory under DOTNET_GCHeapHardLimit of {HeapLimitBytes >> 20} MiB, {state}",
            opening.ResidentBytes / (double)(1 << 20), "it opens", "MiB");
    }

    private sealed record Stored(string Name, string Directory, PageId Page, ReadOnlyMemory<byte> Key);
}
