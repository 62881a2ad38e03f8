using Ledger.Commits;
using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Runtime.Real;

namespace Ledger.Tests.Commits;

/// <summary>Commits on a store in memory that counts reads.</summary>
internal sealed class CommitWorld : IAsyncDisposable
{
    private readonly CountingObjectStore _store = new(new MemoryObjectStore());
    private readonly LedgerRuntime _runtime = SystemRuntime.Create();
    private readonly CommitGraph _graph;
    private int _made;

    public CommitWorld() => _graph = new CommitGraph(_runtime, _store, cacheCount: 1 << 16);

    public long Reads => _store.Reads.Count;

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    public List<Commit> Commits { get; } = [Commit.Genesis];

    /// <summary>The same commits, none in memory.</summary>
    public CommitGraph NewGraph(int cacheCount = 64) => new(_runtime, _store, cacheCount);

    /// <summary>An authored commit; its clock is ahead of its parents by <paramref name="ahead"/>.</summary>
    public Task<Commit> CommitAsync(ulong ahead = 1, params Commit[] parents) =>
        AddAsync(parents, parents.Max(parent => parent.Timestamp.Value) + ahead, isAuthored: true);

    /// <summary>An automatic merge.</summary>
    public Task<Commit> MergeAsync(params Commit[] parents) =>
        AddAsync(parents, parents.Max(parent => parent.Timestamp.Value), isAuthored: false);

    public async Task<List<Commit>> MakeChainAsync(Commit from, int length)
    {
        var chain = new List<Commit> { from };
        while (chain.Count <= length)
        {
            chain.Add(await CommitAsync(1, chain[^1]));
        }

        return chain;
    }

    /// <summary>Commits and merges of neighbours in time; some clocks jump far ahead.</summary>
    public async Task MakeRandomAsync(int count, Random random)
    {
        while (Commits.Count < count)
        {
            var newest = Commits.Skip(Math.Max(0, Commits.Count - 8)).ToArray();
            random.Shuffle(newest);
            if (newest.Length > 2 && random.Next(3) == 0)
            {
                await MergeAsync(newest[..2]);
                continue;
            }

            await CommitAsync(random.Next(12) == 0 ? 1000UL : (ulong)random.Next(1, 4), newest[0]);
        }
    }

    public HashSet<Commit> AncestorsOf(Commit commit)
    {
        var byId = Commits.ToDictionary(each => each.Id);
        var found = new HashSet<Commit>();
        var waiting = new Stack<Commit>([commit]);
        while (waiting.TryPop(out var next))
        {
            if (found.Add(next))
            {
                foreach (var parent in next.Parents)
                {
                    waiting.Push(byId[parent]);
                }
            }
        }

        return found;
    }

    private async Task<Commit> AddAsync(Commit[] parents, ulong timestamp, bool isAuthored)
    {
        var (generation, skip) = await _graph.PlaceAboveAsync(parents, default);
        var commit = Commit.Create(new CommitFields
        {
            Root = CommitSamples.Hash((byte)generation),
            Parents = [.. parents.Select(parent => parent.Id)],
            Generation = generation,
            Timestamp = new HybridTimestamp(timestamp),
            SkipLink = skip,
            Author = isAuthored ? new Authorship(CommitSamples.Device, 1, 1000, $"{++_made}") : null,
        });
        await using var lease = _store.BeginWrite();
        await lease.PutAsync(ObjectKind.Commit, commit.Id.Value, commit.Content, default);
        await lease.CommitAsync(Durability.Buffered, default);
        if (!Commits.Contains(commit))
        {
            Commits.Add(commit);
        }

        return commit;
    }
}
