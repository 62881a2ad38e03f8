using System.Runtime.CompilerServices;
using Ledger.Commits;
using Ledger.Pages.Rows;
using Ledger.Trees;

namespace Ledger.Pages.Merging;

/// <summary>Says afterwards how merges decided, and makes them again. Safe for concurrent use.</summary>
/// <param name="services">The ledger's.</param>
/// <param name="page">The page.</param>
internal sealed class MergeHistory(LedgerServices services, PageId page)
{
    private readonly PageHistory _history = new(services, page);
    private readonly CommitMerger _merger = new(services, page);
    private readonly CommitWrites _writes = new(services, page);

    /// <summary>The merges of a connection's history whose sides differ in a key, newest first.</summary>
    public async IAsyncEnumerable<MergeExplanation> ExplainAsync(
        PageConnection connection, ReadOnlyMemory<byte> key,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var head = await connection.ReadHeadAsync(cancellationToken);
        await foreach (var merge in services.Graph.LogAsync(head, cancellationToken))
        {
            connection.ThrowIfUnusable();
            if (merge.Parents.Count == 2 && await ExplainAsync(merge, key, cancellationToken) is { } explanation)
            {
                yield return explanation;
                await services.Runtime.Enter();
            }
        }
    }

    /// <summary>What comes out otherwise when a merge is made again.</summary>
    public async IAsyncEnumerable<EntryChange> ReplayAsync(
        PageConnection connection, CommitId id, IConflictResolver? resolver,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var head = await connection.ReadHeadAsync(cancellationToken);
        var merge = await _history.FindAsync(head, id, cancellationToken);
        if (merge.Parents.Count != 2)
        {
            throw new ArgumentException($"Commit {id} has {merge.Parents.Count} parents; a merge has two.", nameof(id));
        }

        var note = await ReadNoteAsync(merge, cancellationToken);
        var policy = note?.Policy == MergePolicy.AutomaticWithFallback
            ? MergePolicy.AutomaticWithFallback
            : MergePolicy.Custom;
        var settings = resolver is null
            ? MergeSettings.Default
            : MergeSettings.Create(policy, resolver, Timeout.InfiniteTimeSpan);
        var call = new ResolverCall(services.Runtime, services.Logger, settings, interrupted: null);
        var pair = await ReadPairAsync(merge, cancellationToken);
        await using var lease = services.Store.BeginWrite();
        using var replayed = await _merger.MergeAsync(
            pair, settings, context => call.RunAsync(context, cancellationToken), lease, cancellationToken);

        // The values that the resolver made are read from the store alone.
        await lease.WriteAheadAsync(cancellationToken);
        using var hold = await services.Trees.OpenAsync(page, merge, cancellationToken);
        await foreach (var difference in services.Tree.DiffAsync(
            merge.Root, replayed.Root, KeyRange.All, cancellationToken))
        {
            connection.ThrowIfUnusable();
            yield return await services.Values.ToChangeAsync(difference, cancellationToken);
            await services.Runtime.Enter();
        }
    }

    private async ValueTask<MergeExplanation?> ExplainAsync(
        Commit merge, ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        var result = await _writes.ReadValueAsync(merge, key, cancellationToken);
        var sides = new List<EntryValue?>();
        foreach (var id in merge.Parents)
        {
            var parent = await services.Graph.ReadAsync(id, cancellationToken);
            sides.Add(await _writes.ReadValueAsync(parent, key, cancellationToken));
        }

        if (Nullable.Equals(sides[0], result) && Nullable.Equals(sides[1], result))
        {
            return null;
        }

        var pair = await ReadPairAsync(merge, cancellationToken);
        var (left, right) = pair.Left.Id == merge.Parents[0] ? (sides[0], sides[1]) : (sides[1], sides[0]);
        var note = await ReadNoteAsync(merge, cancellationToken);
        var decision = Nullable.Equals(result, left) ? MergeDecision.Left
            : Nullable.Equals(result, right) ? MergeDecision.Right
            : result is null ? MergeDecision.Deleted
            : MergeDecision.New;
        return new MergeExplanation(
            await _history.DescribeAsync(merge, cancellationToken), note?.Policy, note?.Resolver,
            await ShowAsync(key, await ReadBaseAsync(pair, key, cancellationToken), cancellationToken),
            await DescribeAsync(pair.Left, pair.Comparison.LeftOnly, key, left, cancellationToken),
            await DescribeAsync(pair.Right, pair.Comparison.RightOnly, key, right, cancellationToken),
            await ShowAsync(key, result, cancellationToken), decision);
    }

    private async ValueTask<MergePair> ReadPairAsync(Commit merge, CancellationToken cancellationToken) =>
        await MergePair.CompareAsync(
            services.Graph, await services.Graph.ReadAsync(merge.Parents[0], cancellationToken),
            await services.Graph.ReadAsync(merge.Parents[1], cancellationToken), cancellationToken);

    private async ValueTask<EntryValue?> ReadBaseAsync(
        MergePair pair, ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        await using var lease = services.Store.BeginWrite();
        var (root, hold) = await _merger.FindBaseAsync(pair.Comparison, lease, cancellationToken);
        using (hold)
        {
            return await services.Tree.GetAsync(root.Root, key, cancellationToken);
        }
    }

    private async ValueTask<MergedSide> DescribeAsync(
        Commit head, IReadOnlyList<Commit> own, ReadOnlyMemory<byte> key, EntryValue? value,
        CancellationToken cancellationToken)
    {
        CommitInfo? writer = null;
        foreach (var commit in own.OrderDescending(WriterOrder.Instance))
        {
            if (await _writes.FindAsync(commit, key, cancellationToken) is not null)
            {
                writer = await _history.DescribeAsync(commit, cancellationToken);
                break;
            }
        }

        return new MergedSide(
            await _history.DescribeAsync(head, cancellationToken), await ShowAsync(key, value, cancellationToken),
            writer);
    }

    private async ValueTask<Entry?> ShowAsync(
        ReadOnlyMemory<byte> key, EntryValue? value, CancellationToken cancellationToken) =>
        value is { } present ? await services.Values.ToEntryAsync(key, present, cancellationToken) : null;

    private async ValueTask<MergeNoteRow?> ReadNoteAsync(Commit merge, CancellationToken cancellationToken) =>
        await services.Store.ReadRowAsync(RowKeys.MergeNote(page, merge.Id), cancellationToken) is { } content
            ? MergeNoteRow.Decode(content.Span)
            : null;
}
