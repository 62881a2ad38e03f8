using Ledger.Pages;
using Ledger.Simulation.Model;
using Ledger.Simulation.Worlds;
using Ledger.Trees;

namespace Ledger.Simulation.Workload;

/// <summary>Compares what a device shows with the model.</summary>
internal static class Checks
{
    /// <summary>Stands for the write of a lazy value that is not here.</summary>
    public const long Unknown = -1;

    /// <summary>What was acknowledged before a crash is there after it.</summary>
    public static async Task AfterOpeningAsync(Session session, PageModel page)
    {
        if (session.Random.Next(2) == 0)
        {
            await using var connection = await session.Ledger.GetPageAsync(page.Id);
            await PageAsync(session, page, connection, "after the opening");
        }
    }

    /// <summary>The state of a page, as a connection sees it, is what the model says.</summary>
    /// <param name="session">The device.</param>
    /// <param name="page">The page.</param>
    /// <param name="connection">To the page.</param>
    /// <param name="when">For the message.</param>
    /// <param name="isEverything">What other devices wrote is there too.</param>
    public static async Task PageAsync(
        Session session, PageModel page, IPage connection, string when, bool isEverything = false)
    {
        var run = session.Run;
        var where = $"device {session.Device.Number}, page {page.Number}, {when}";
        var before = run.Model.Tick();
        var device = isEverything ? -1 : session.Device.Number;
        var heads = await connection.GetHeadsAsync();
        await using var snapshot = await connection.GetSnapshotAsync();
        var commit = await page.LearnAsync(session.Services, snapshot.Commit.Id);
        var entries = await ScanAsync(page, snapshot, where, fetches: isEverything);
        NameUnknown(session, page, commit, entries, isEverything, where);
        Compare(session, page, commit, entries, where);
        if (heads.Count == 1)
        {
            // A merge that somebody asks for counts as a writer, also of what is older.
            if (run.Model.Policy == PolicyKind.LastOneWins)
            {
                page.CheckNothingLost(entries, before, device, where);
            }

            page.CheckReachable(commit, before, device, where);
        }

        run.Checks++;
        run.World.Trace(40, (ulong)entries.Count);
    }

    /// <summary>All entries of a snapshot, each of which is somebody's write: write ids by key.</summary>
    /// <param name="page">The page.</param>
    /// <param name="snapshot">Read as a whole.</param>
    /// <param name="where">For the message.</param>
    /// <param name="isOld">Values that only older commits name may be elsewhere.</param>
    /// <param name="fetches">Asks for lazy values that are not here.</param>
    public static async Task<SortedDictionary<int, long>> ScanAsync(
        PageModel page, IPageSnapshot snapshot, string where, bool isOld = false, bool fetches = false)
    {
        var entries = new SortedDictionary<int, long>();
        ReadOnlyMemory<byte> last = default;
        await foreach (var entry in snapshot.GetEntriesAsync())
        {
            if (last.Span.SequenceCompareTo(entry.Key.Span) >= 0)
            {
                throw new ViolationException("R8", $"{where}: a scan is not in order.");
            }

            last = entry.Key;
            var key = page.KeyOf(entry.Key);
            if (entry.Value is { } value)
            {
                entries.Add(key, page.Identify(key, value.Span, where).Id);
            }
            else if (!isOld)
            {
                CheckLazy(page, entry, where);
                var fetched = fetches ? await FetchAsync(page, snapshot, entry, where) : null;
                entries.Add(key, fetched?.Id ?? Unknown);
            }
        }

        return entries;
    }

    /// <summary>An entry that is shown without its value is a lazy one.</summary>
    public static void CheckLazy(PageModel page, Entry entry, string where)
    {
        if (entry is not { Priority: EntryPriority.Lazy, State: ValueState.NeedsFetch })
        {
            throw new ViolationException(
                "R17", $"{where}: key {page.KeyOf(entry.Key)} is shown, and its value is not here.");
        }
    }

    /// <summary>Asks for a lazy value: it comes as it was put, or somebody says that it cannot be had.</summary>
    /// <returns>Null when it cannot.</returns>
    public static async Task<Write?> FetchAsync(PageModel page, IPageSnapshot snapshot, Entry entry, string where)
    {
        CheckLazy(page, entry, where);
        try
        {
            var key = page.KeyOf(entry.Key);
            var value = await snapshot.FetchAsync(entry.Key);
            var write = page.Identify(key, value!.Value.Span, where);
            return write.IsLazy
                ? write
                : throw new ViolationException("R17", $"{where}: {write} was fetched as a lazy value.");
        }
        catch (NetworkUnavailableException)
        {
            return null;
        }
    }

    /// <summary>Whether two states are equal as far as both are known.</summary>
    public static bool AreEqual(SortedDictionary<int, long> left, SortedDictionary<int, long> right) =>
        left.Count == right.Count && left.All(pair => right.TryGetValue(pair.Key, out var other) &&
            (other == pair.Value || other == Unknown || pair.Value == Unknown));

    /// <summary>Everything is at rest: one head, all that was acknowledged, and a clean verification.</summary>
    public static async Task AtTheEndAsync(Session session)
    {
        foreach (var page in session.Run.Pages)
        {
            await using var connection = await session.Ledger.GetPageAsync(page.Id);
            var heads = await connection.GetHeadsAsync();
            if (heads.Count != 1)
            {
                throw new ViolationException(
                    "R13", $"Page {page.Number} of device {session.Device.Number} keeps {heads.Count} heads.");
            }

            await PageAsync(session, page, connection, "at the end", isEverything: true);
        }

        if (session.Run.Options.Recreates)
        {
            session.Run.Compare(await new ShortLivedPage(session).ShowAsync());
        }

        await session.CheckProblemsAsync();

        // All have the same heads: each reads every page, and one of them, or each, every object and row.
        var isVerified = session.Run.Options.VerifiesAll ||
            session.Device.Number == (int)(session.Run.Options.Seed % (ulong)session.Run.Devices.Count);
        if (!isVerified)
        {
            return;
        }

        var report = await session.Repository.VerifyAsync();
        if (report.Problems.Count > 0)
        {
            throw new ViolationException(
                "R6", $"Device {session.Device.Number} does not verify: {string.Join(' ', report.Problems)}");
        }
    }

    /// <summary>What a lazy value that is not here must be, by who wrote it.</summary>
    private static void NameUnknown(
        Session session, PageModel page, CommitModel commit, SortedDictionary<int, long> entries, bool isEverything,
        string where)
    {
        if (!entries.ContainsValue(Unknown))
        {
            return;
        }

        var expected = PageModel.Expected(commit);
        foreach (var key in entries.Keys.Where(key => entries[key] == Unknown).ToArray())
        {
            var write = session.Run.Model.Find(expected.GetValueOrDefault(key));
            if (write is not { IsLazy: true } || isEverything)
            {
                throw new ViolationException(
                    "R17", $"{where}: key {key} of page {page.Number} cannot be fetched, although it is [{write}].");
            }

            entries[key] = write.Id;
        }
    }

    private static void Compare(
        Session session, PageModel page, CommitModel commit, SortedDictionary<int, long> entries, string where)
    {
        if (session.Run.Model.WritersDecide)
        {
            var expected = PageModel.Expected(commit);
            if (!expected.SequenceEqual(entries))
            {
                var key = expected.Keys.Union(entries.Keys).First(
                    key => expected.GetValueOrDefault(key) != entries.GetValueOrDefault(key));
                throw new ViolationException(
                    "R14", $"{where}: commit {commit.Id} has at key {key} " +
                    $"[{session.Run.Model.Find(entries.GetValueOrDefault(key))}] and not, as its newest writer " +
                    $"left it, [{session.Run.Model.Find(expected.GetValueOrDefault(key))}].");
            }
        }

        if (!commit.IsRootChecked && page.CanCompute(entries))
        {
            var root = page.RootOf(entries, session.Salt);
            if (root != commit.Root.ToString())
            {
                throw new ViolationException(
                    "R4",
                    $"{where}: commit {commit.Id} has root {commit.Root}, and its {entries.Count} entries {root}.");
            }

            commit.IsRootChecked = true;
        }
    }
}
