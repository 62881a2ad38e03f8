using System.Globalization;
using System.Text;
using Ledger.Commits;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Pages;
using Ledger.Pages.Merging;
using Ledger.Pages.Rows;
using Ledger.Runtime;
using Ledger.Runtime.Real;
using Ledger.Trees;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ledger.Tests.Pages.Merging;

/// <summary>Commits of one page, made and merged without a page: every device of a test shares the store.</summary>
internal sealed class MergeWorld : IAsyncDisposable
{
    private static readonly PageId Page = PageId.Root;
    private readonly Dictionary<CommitId, HashSet<CommitId>> _authored = [];
    private readonly List<MadeEdit> _edits = [];
    private LedgerStore? _ledger;

    private LedgerServices Services => _ledger!.Services;

    /// <summary>Edits so far, each with what it wrote.</summary>
    public IReadOnlyList<MadeEdit> Edits => _edits;

    public static async Task<MergeWorld> CreateAsync(PlantedBugs bugs = PlantedBugs.None) => new()
    {
        _ledger = await LedgerStore.OpenAsync(
            SystemRuntime.Create(), new MemoryObjectStore(),
            new SettingsRow("tests", new TreeSalt(1, 2), new ChunkSeed(3, 4), 5),
            new LedgerStoreOptions(new DeviceId(6), Durability.Buffered, 1 << 22, NullLogger.Instance)
            {
                Bugs = bugs,
            },
            default),
    };

    /// <summary>An edit of a device; what changes nothing is no write, and an edit without writes no commit.</summary>
    public async Task<Commit> EditAsync(
        Commit parent, int device, ulong timestamp, IReadOnlyDictionary<string, string?> changes)
    {
        var before = await ReadAsync(parent);
        var writes = changes.Where(change => before.GetValueOrDefault(change.Key) != change.Value).ToDictionary();
        if (writes.Count == 0)
        {
            return parent;
        }

        var commit = await EditAsync(parent, device, timestamp, writes.Select(write => new TreeChange(
            Encoding.UTF8.GetBytes(write.Key),
            write.Value is { } value ? EntryValue.OfInline(Encoding.UTF8.GetBytes(value)) : null)));
        _edits.Add(new MadeEdit(commit, before, writes));
        return commit;
    }

    /// <summary>An edit that is no part of <see cref="Edits"/>.</summary>
    public async Task<Commit> EditAsync(Commit parent, int device, ulong timestamp, IEnumerable<TreeChange> changes)
    {
        using var hold = await Services.Trees.OpenAsync(Page, parent, default);
        using var batch = Services.Tree.WriteBack.BeginBatch();
        var sorted = changes.OrderBy(change => change.Key, KeyComparer.Instance).ToList();
        await using var lease = Services.Store.BeginWrite();
        var root = await Services.Tree.ApplyAsync(parent.Root, sorted, batch, default);
        var list = new ChangeListWriter(lease);
        foreach (var change in sorted)
        {
            await list.AddAsync(change, default);
        }

        var (generation, skip) = await Services.Graph.PlaceAboveAsync([parent], default);
        var commit = Commit.Create(new CommitFields
        {
            Root = root,
            Parents = [parent.Id],
            Generation = generation,
            Timestamp = HybridTimestamp.Max(new HybridTimestamp(timestamp), parent.Timestamp.Next()),
            SkipLink = skip,
            Author = new Authorship(new DeviceId((UInt128)(device + 1)), 1, _edits.Count, null),
        });
        await StoreAsync(lease, commit, parent, await list.FinishAsync(default));
        _authored[commit.Id] = [.. AuthoredIn(parent), commit.Id];
        return commit;
    }

    /// <summary>Merges two commits; gives the descendant when one is an ancestor of the other.</summary>
    public async Task<Commit> MergeAsync(
        Commit first, Commit second, MergeSettings? settings = null, bool takesShortcut = true)
    {
        var pair = await MergePair.CompareAsync(Services.Graph, first, second, default);
        if (pair.Comparison.LeftOnly.Count == 0 || pair.Comparison.RightOnly.Count == 0)
        {
            return pair.Comparison.LeftOnly.Count == 0 ? pair.Right : pair.Left;
        }

        settings ??= MergeSettings.Default;
        var merger = new CommitMerger(Services, Page);
        await using var lease = Services.Store.BeginWrite();
        using var leftHold = await Services.Trees.OpenAsync(Page, pair.Left, default);
        using var rightHold = await Services.Trees.OpenAsync(Page, pair.Right, default);
        Task ResolveAsync(MergeContext context) => settings.Resolver!.ResolveAsync(context, default);
        using var merged = takesShortcut
            ? await merger.MergeAsync(pair, settings, ResolveAsync, lease, default)
            : await merger.MergeFullyAsync(pair, settings, ResolveAsync, lease, default);
        var commit = await merger.BuildAsync(merged, null, null, default);
        await StoreAsync(lease, commit, merged.Start, merged.Changes);
        _authored[commit.Id] = [.. AuthoredIn(first), .. AuthoredIn(second)];
        return commit;
    }

    /// <summary>The entry of a key in a commit's tree.</summary>
    public async Task<EntryValue?> FindAsync(Commit commit, string key)
    {
        using var hold = await Services.Trees.OpenAsync(Page, commit, default);
        return await Services.Tree.GetAsync(commit.Root, Encoding.UTF8.GetBytes(key), default);
    }

    /// <summary>The edits among a commit and its ancestors, oldest writer first.</summary>
    public IEnumerable<MadeEdit> EditsIn(Commit commit)
    {
        var ids = AuthoredIn(commit);
        return _edits.Where(edit => ids.Contains(edit.Commit.Id)).OrderBy(edit => edit.Commit, WriterOrder.Instance);
    }

    /// <summary>Whether a commit is another one or one of its ancestors.</summary>
    public ValueTask<bool> IsAncestorAsync(Commit ancestor, Commit descendant) =>
        Services.Graph.IsAncestorAsync(ancestor, descendant, default);

    /// <summary>The entries of a commit's tree.</summary>
    public async Task<SortedDictionary<string, string>> ReadAsync(Commit commit)
    {
        using var hold = await Services.Trees.OpenAsync(Page, commit, default);
        var entries = new SortedDictionary<string, string>(StringComparer.Ordinal);
        await foreach (var entry in Services.Tree.ScanAsync(commit.Root, KeyRange.All, reverse: false, default))
        {
            entries.Add(
                Encoding.UTF8.GetString(entry.Key.Span), Encoding.UTF8.GetString(entry.Value.Inline.Span));
        }

        return entries;
    }

    public static string Show(IEnumerable<KeyValuePair<string, string>> entries) => string.Join(
        ' ', entries.Select(entry => string.Create(CultureInfo.InvariantCulture, $"{entry.Key}={entry.Value}")));

    public ValueTask DisposeAsync() => _ledger!.DisposeAsync();

    private HashSet<CommitId> AuthoredIn(Commit commit) => _authored.GetValueOrDefault(commit.Id, []);

    private async Task StoreAsync(IObjectWriter lease, Commit commit, Commit parent, ChangeList changes)
    {
        await lease.PutAsync(ObjectKind.Commit, commit.Id.Value, commit.Content, default);
        lease.SetRow(RowKeys.Commit(Page, commit.Id), new CommitRow(1, parent.Id, changes).Encode());
        await lease.CommitAsync(Durability.Buffered, default);
        Services.Graph.Add(commit);
    }
}

/// <summary>An edit.</summary>
/// <param name="Commit">The commit.</param>
/// <param name="Before">The entries of its parent.</param>
/// <param name="Writes">What it changed; null for a deleted key.</param>
internal sealed record MadeEdit(
    Commit Commit, IReadOnlyDictionary<string, string> Before, IReadOnlyDictionary<string, string?> Writes);
