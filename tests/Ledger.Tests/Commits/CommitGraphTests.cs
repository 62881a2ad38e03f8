using Ledger.Commits;
using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Runtime.Real;
using Xunit;

namespace Ledger.Tests.Commits;

public sealed class CommitGraphTests
{
    [Fact]
    public async Task Every_ancestor_of_a_long_chain_is_found_in_a_few_hops()
    {
        var world = NewWorld();
        var chain = await world.MakeChainAsync(3000);
        var random = new Random(11);

        for (var round = 0; round < 300; round++)
        {
            var from = random.Next(chain.Count);
            var to = random.Next(from + 1);
            var graph = world.NewGraph();
            var before = world.Reads;

            var found = await graph.ReadAncestorAsync(chain[from], to, default);

            Assert.Equal(chain[to], found);
            Assert.InRange(world.Reads - before, 0, 80);
        }
    }

    [Fact]
    public async Task Making_a_commit_reads_the_logarithm_of_its_generation()
    {
        var world = NewWorld();
        var chain = await world.MakeChainAsync(4096);
        var graph = world.NewGraph();
        var before = world.Reads;

        var (generation, skip) = await graph.PlaceAboveAsync([chain[4095]], default);

        Assert.Equal((4096, Commit.Genesis.Id), (generation, skip));
        Assert.InRange(world.Reads - before, 0, 12);
    }

    [Fact]
    public async Task The_log_of_random_graphs_shows_each_ancestor_once_newest_first_and_children_before_parents()
    {
        for (var seed = 0; seed < 20; seed++)
        {
            var world = NewWorld();
            var commits = await world.MakeGraphAsync(120, new Random(seed));
            var head = commits[^1];

            var log = await world.NewGraph().LogAsync(head, default).ToListAsync();

            var expected = World.AncestorsOf(head, commits).Where(commit => !commit.IsGenesis).ToHashSet();
            Assert.True(expected.SetEquals(log) && log.Count == expected.Count, $"Seed {seed}.");
            Assert.Equal(
                log.OrderByDescending(commit => commit.Timestamp).ThenByDescending(commit => commit.Generation)
                    .ThenByDescending(commit => commit.Id),
                log);
            var places = log.Select((commit, index) => (commit.Id, index)).ToDictionary();
            Assert.All(log, commit => Assert.All(
                commit.Parents.Where(places.ContainsKey), parent => Assert.True(places[parent] > places[commit.Id])));
        }
    }

    [Fact]
    public async Task Ancestry_in_random_graphs_is_what_a_plain_search_says()
    {
        for (var seed = 0; seed < 20; seed++)
        {
            var world = NewWorld();
            var random = new Random(seed);
            var commits = await world.MakeGraphAsync(60, random);
            for (var round = 0; round < 100; round++)
            {
                var (left, right) = (commits[random.Next(commits.Count)], commits[random.Next(commits.Count)]);

                var isAncestor = await world.NewGraph().IsAncestorAsync(left, right, default);

                Assert.True(
                    World.AncestorsOf(right, commits).Contains(left) == isAncestor, $"Seed {seed}, round {round}.");
            }
        }
    }

    [Fact]
    public async Task A_commit_that_is_not_here_is_missing_and_one_of_another_content_is_damaged()
    {
        var world = NewWorld();
        var graph = world.NewGraph();

        await Assert.ThrowsAsync<MissingObjectException>(
            () => graph.ReadAsync(new CommitId(CommitSamples.Hash(1)), default).AsTask());
        var lonely = CommitSamples.Child(Commit.Genesis.Id, 5, 9, null);
        await Assert.ThrowsAsync<CorruptObjectException>(() => graph.ReadMainParentAsync(lonely, default).AsTask());
    }

    private static World NewWorld() => new(new CountingObjectStore(new MemoryObjectStore()));

    private sealed class World(CountingObjectStore store)
    {
        private readonly LedgerRuntime _runtime = SystemRuntime.Create();
        private int _made;

        public long Reads => store.Reads.Count;

        public CommitGraph NewGraph() => new(_runtime, store, cacheCount: 64);

        public async Task<List<Commit>> MakeChainAsync(int length)
        {
            var graph = new CommitGraph(_runtime, store);
            var chain = new List<Commit> { Commit.Genesis };
            while (chain.Count < length)
            {
                chain.Add(await AddAsync(graph, [chain[^1]]));
            }

            return chain;
        }

        public async Task<List<Commit>> MakeGraphAsync(int count, Random random)
        {
            var graph = new CommitGraph(_runtime, store);
            var commits = new List<Commit> { Commit.Genesis };
            while (commits.Count < count)
            {
                var newest = commits.Skip(Math.Max(0, commits.Count - 8)).ToArray();
                random.Shuffle(newest);
                var parents = newest[..Math.Min(newest.Length, random.Next(3) == 0 ? 2 : 1)];
                var commit = await AddAsync(graph, parents);
                if (!commits.Contains(commit))
                {
                    commits.Add(commit);
                }
            }

            return commits;
        }

        public static HashSet<Commit> AncestorsOf(Commit commit, IReadOnlyList<Commit> all)
        {
            var byId = all.ToDictionary(each => each.Id);
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

        private async Task<Commit> AddAsync(CommitGraph graph, Commit[] parents)
        {
            var (generation, skip) = await graph.PlaceAboveAsync(parents, default);
            var newest = parents.Max(parent => parent.Timestamp);
            var commit = Commit.Create(new CommitFields
            {
                Root = CommitSamples.Hash((byte)generation),
                Parents = [.. parents.Select(parent => parent.Id)],
                Generation = generation,
                Timestamp = parents.Length == 1 ? newest.Next() : newest,
                SkipLink = skip,
                Author = parents.Length == 1
                    ? new Authorship(CommitSamples.Device, 1, 1000, $"{++_made}")
                    : null,
            });
            await using var lease = store.BeginWrite();
            await lease.PutAsync(ObjectKind.Commit, commit.Id.Value, commit.Content, default);
            await lease.CommitAsync(Durability.Buffered, default);
            return commit;
        }
    }
}
