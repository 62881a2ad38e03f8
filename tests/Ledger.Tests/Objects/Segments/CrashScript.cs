using System.Text;
using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Runtime;

namespace Ledger.Tests.Objects.Segments;

/// <summary>
/// A scripted life of a store and the model of what it must hold: after a crash the store shows the state after one of
/// its commits, no earlier than the last one that was acknowledged as durable as it needed to be.
/// </summary>
internal sealed class CrashScript(Durability durability, PlantedBugs bugs)
{
    /// <summary>Commits in the whole script.</summary>
    public const int CommitCount = 26;

    private const string Root = "/disk/store";

    private static readonly (ObjectId Id, byte[] Content)[][] Objects =
        [.. Enumerable.Range(0, CommitCount + 4).Select(MakeObjects)];

    /// <summary>Commits that were begun.</summary>
    public int Begun { get; private set; }

    /// <summary>Commits that were acknowledged.</summary>
    public int Acknowledged { get; private set; }

    /// <summary>Commits that were acknowledged and must survive power loss.</summary>
    public int Flushed { get; private set; }

    private SegmentStoreOptions Options => new()
    {
        SegmentSizeBytes = 24 << 10,
        CheckpointSizeBytes = 9 << 10,
        CloseCheckpointSizeBytes = 4 << 10,
        RecoverySizeBytesMax = 18 << 10,
        Bugs = bugs,
    };

    /// <summary>A disk on which the script can run.</summary>
    public static FaultyFileSystem MakeDisk(int seed)
    {
        var disk = new FaultyFileSystem(seed);
        disk.CreateDirectory("/disk");
        disk.MakeDurable();
        return disk;
    }

    /// <summary>Runs the script; true when it came to its end, false when the process died.</summary>
    public bool Run(FaultyFileSystem disk, int seed)
    {
        try
        {
            TestRuntime.Create(seed, disk).Run(RunAsync);
            return true;
        }
        catch (SimulatedCrashException)
        {
            return false;
        }
    }

    /// <summary>
    /// Opens what a crash left and writes on, on a disk on which another crash may come.
    /// </summary>
    /// <param name="disk">The disk.</param>
    /// <param name="isDurable">True when all of what is found is on the medium.</param>
    /// <param name="seed">Decides the order of things.</param>
    /// <returns>The script with what must be there now, and whether it came to its end.</returns>
    public (CrashScript After, bool IsDone) Recover(FaultyFileSystem disk, bool isDurable, int seed)
    {
        var after = (CrashScript)MemberwiseClone();

        // What was only buffered the power took, whether or not this opening gets as far as to look.
        after.Acknowledged = isDurable ? after.Flushed : after.Acknowledged;
        try
        {
            TestRuntime.Create(seed, disk).Run(async runtime =>
            {
                await using var store = await SegmentStore.OpenAsync(runtime, Root, Options, default);
                var found = await CountAsync(store);
                (after.Begun, after.Acknowledged) = (found + 1, found);
                after.Flushed = isDurable ? found : after.Flushed;
                await CommitAsync(store, found + 1, Durability.Flushed);
                (after.Acknowledged, after.Flushed) = (found + 1, found + 1);
            });
            return (after, true);
        }
        catch (SimulatedCrashException)
        {
            return (after, false);
        }
    }

    /// <summary>
    /// Opens what a crash left and compares; then writes on, closes, opens again and compares once more. When only the
    /// process died, the power goes after that write.
    /// </summary>
    /// <returns>What is wrong, or null.</returns>
    public string? Check(FaultyFileSystem disk, bool powerLost, int seed)
    {
        var least = powerLost ? Flushed : Acknowledged;
        var next = 0;
        FaultyFileSystem? unplugged = null;
        try
        {
            var problem = TestRuntime.Create(seed, disk).Run(async runtime =>
            {
                int found;
                await using (var store = await SegmentStore.OpenAsync(runtime, Root, Options, default))
                {
                    var problem = await CompareAsync(store, least);
                    if (problem is not null)
                    {
                        return problem;
                    }

                    found = await CountAsync(store);
                    next = found + 1;
                    await CommitAsync(store, next, Durability.Flushed);
                    unplugged = powerLost ? null : disk.CrashImage(CrashLoss.LoseAll, seed);
                }

                await using var again = await SegmentStore.OpenAsync(runtime, Root, Options, default);
                return await CompareAsync(again, next, next);
            });
            return problem ?? (unplugged is null ? null : TestRuntime.Create(seed, unplugged).Run(async runtime =>
            {
                await using var store = await SegmentStore.OpenAsync(runtime, Root, Options, default);
                return await CompareAsync(store, next, next) is { } lost ? $"without power later: {lost}" : null;
            }));
        }
        catch (LedgerException error)
        {
            return $"{error.GetType().Name}: {error.Message}";
        }
    }

    private static async Task<int> CountAsync(SegmentStore store) =>
        await store.ReadRowAsync(Key("n"), default) is { } count ? int.Parse(Text(count)) : 0;

    private async Task<string?> CompareAsync(SegmentStore store, int least, int? most = null)
    {
        if (store.Recovery.Damage is { } damage)
        {
            return damage;
        }

        var count = await CountAsync(store);
        if (count < least || count > (most ?? Begun))
        {
            return $"commit {count} is the last, of {least} that must be there and {most ?? Begun} that may be";
        }

        var rows = new SortedDictionary<string, string>(StringComparer.Ordinal);
        await foreach (var row in store.ScanRowsAsync(default, default))
        {
            rows.Add(Text(row.Key), Text(row.Value));
        }

        if (!rows.SequenceEqual(StateAfter(count)))
        {
            return $"the rows after commit {count} are not the model's: {string.Join(' ', rows)}";
        }

        for (var commit = 1; commit <= count; commit++)
        {
            foreach (var (id, _) in Objects[commit])
            {
                if (await store.ReadAsync(ObjectKind.Value, id, default) is null)
                {
                    return $"an object of commit {commit} is missing";
                }
            }
        }

        var (_, problems) = await store.VerifyAsync(default);
        return problems.Count > 0 ? string.Join(' ', problems) : null;
    }

    private async Task RunAsync(LedgerRuntime runtime)
    {
        var commit = 0;
        foreach (var commitsInLife in new[] { 9, 1, 16 })
        {
            await using var store = await SegmentStore.OpenAsync(runtime, Root, Options, default);
            for (var i = 0; i < commitsInLife; i++)
            {
                await RunCommitAsync(store, ++commit);
            }
        }

        // A clean close flushes whatever was only buffered.
        Flushed = Acknowledged;
    }

    private async Task RunCommitAsync(SegmentStore store, int commit)
    {
        var isFlushed = durability == Durability.Flushed || commit % 7 == 0;
        Begun = commit;
        await CommitAsync(store, commit, isFlushed ? Durability.Flushed : Durability.Buffered);
        Acknowledged = commit;
        Flushed = isFlushed ? commit : Flushed;
    }

    private static async Task CommitAsync(SegmentStore store, int commit, Durability durability)
    {
        await using var lease = store.BeginWrite();
        foreach (var (id, content) in Objects[commit])
        {
            await lease.PutAsync(ObjectKind.Value, id, content, default);
            if (commit % 4 == 0)
            {
                await lease.WriteAheadAsync(default);
            }
        }

        foreach (var (key, value) in RowsOf(commit))
        {
            lease.SetRow(Key(key), Key(value));
        }

        if (commit % 5 == 0)
        {
            lease.DeleteRow(Key($"row-{commit - 3:d3}"));
        }

        if (commit % 9 == 0)
        {
            lease.DeleteRows(Key($"row-{commit - 8:d3}"), Key($"row-{commit - 5:d3}"));
        }

        await lease.CommitAsync(durability, default);
    }

    /// <summary>The rows after a commit, by the definition of the script.</summary>
    private static SortedDictionary<string, string> StateAfter(int count)
    {
        var rows = new SortedDictionary<string, string>(StringComparer.Ordinal);
        for (var commit = 1; commit <= count; commit++)
        {
            foreach (var (key, value) in RowsOf(commit))
            {
                rows[key] = value;
            }

            if (commit % 5 == 0)
            {
                rows.Remove($"row-{commit - 3:d3}");
            }

            for (var gone = commit - 8; commit % 9 == 0 && gone < commit - 5; gone++)
            {
                rows.Remove($"row-{gone:d3}");
            }
        }

        return rows;
    }

    private static IEnumerable<(string Key, string Value)> RowsOf(int commit) =>
    [
        ("n", $"{commit}"), ($"row-{commit:d3}", $"value of {commit}"),
        ("shared", new string((char)('a' + commit % 26), 100 + commit)),
    ];

    private static (ObjectId Id, byte[] Content)[] MakeObjects(int commit)
    {
        var contents = Enumerable.Range(0, commit % 3 + 1).Select(_ => new byte[300 + 700 * (commit % 4)]).ToArray();
        foreach (var (i, content) in contents.Index())
        {
            new Random(commit * 10 + i).NextBytes(content);
        }

        return [.. contents.Select(content => (ObjectId.Of(ObjectKind.Value, content), content))];
    }

    private static byte[] Key(string text) => Encoding.UTF8.GetBytes(text);

    private static string Text(ReadOnlyMemory<byte> bytes) => Encoding.UTF8.GetString(bytes.Span);
}
