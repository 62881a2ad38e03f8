using Ledger.Runtime;

namespace Ledger.Commits;

/// <summary>How the ancestries of two commits relate. Genesis counts as an ancestor of both.</summary>
/// <param name="Bases">
/// The maximal common ancestors: those that are no ancestor of another one. One or more, oldest first by (timestamp,
/// id). When a side is an ancestor of the other one, it is the only one.
/// </param>
/// <param name="LeftOnly">Ancestors of the left commit alone, itself included; newest first.</param>
/// <param name="RightOnly">Ancestors of the right commit alone, itself included; newest first.</param>
/// <param name="RecentCommon">
/// Common ancestors that are not older, by timestamp, than the oldest commit of one side alone; newest first.
/// </param>
internal sealed record CommitComparison(
    IReadOnlyList<Commit> Bases, IReadOnlyList<Commit> LeftOnly, IReadOnlyList<Commit> RightOnly,
    IReadOnlyList<Commit> RecentCommon)
{
    /// <summary>Compares two commits; time and memory follow what differs, not the length of the history.</summary>
    /// <param name="graph">Where ancestors are read; neither commit itself needs to be there.</param>
    /// <param name="left">One commit.</param>
    /// <param name="right">The other one.</param>
    /// <param name="cancellationToken">Cancels the reads.</param>
    public static async ValueTask<CommitComparison> RunAsync(
        CommitGraph graph, Commit left, Commit right, CancellationToken cancellationToken)
    {
        var walk = new Walk(graph);
        walk.Mark(left, Origin.Left);
        walk.Mark(right, Origin.Right);
        await walk.RunAsync(cancellationToken);
        return walk.ToResult();
    }

    [Flags]
    private enum Origin
    {
        None = 0,
        Left = 1,
        Right = 2,
        Both = Left | Right,

        // A descendant is common already.
        Below = 4,
    }

    /// <summary>
    /// Goes back from both commits, newest first. Every child comes before its parents, so the marks of a commit are
    /// final when it is taken.
    /// </summary>
    private sealed class Walk(CommitGraph graph)
    {
        private readonly PriorityQueue<Commit, Commit> _waiting = new(CommitGraph.NewestFirst.Instance);
        private readonly Dictionary<CommitId, Origin> _marks = [];
        private readonly List<Commit> _bases = [];
        private readonly List<Commit> _leftOnly = [];
        private readonly List<Commit> _rightOnly = [];
        private readonly List<Commit> _common = [];
        private HybridTimestamp? _oldest;

        // How many of those that wait may still be a base or belong to one side.
        private int _open;

        public void Mark(Commit commit, Origin origin)
        {
            if (!_marks.TryGetValue(commit.Id, out var before))
            {
                _waiting.Enqueue(commit, commit);
            }

            var after = before | origin;
            _marks[commit.Id] = after;
            _open += (IsOpen(after) ? 1 : 0) - (IsOpen(before) ? 1 : 0);
        }

        public async ValueTask RunAsync(CancellationToken cancellationToken)
        {
            while (_waiting.TryPeek(out var commit, out _) &&
                (_open > 0 || (_oldest is { } oldest && commit.Timestamp >= oldest)))
            {
                cancellationToken.ThrowIfCancellationRequested();
                _waiting.Dequeue();
                _marks.Remove(commit.Id, out var origin);
                _open -= IsOpen(origin) ? 1 : 0;
                Take(commit, origin);
                if ((origin & Origin.Both) == Origin.Both)
                {
                    origin |= Origin.Below;
                }

                foreach (var id in commit.Parents)
                {
                    var parent = await graph.ReadAsync(id, cancellationToken);
                    CommitGraph.CheckOrder(commit, parent);
                    Mark(parent, origin);
                }
            }
        }

        public CommitComparison ToResult() => new(
            [.. _bases.OrderBy(commit => commit.Timestamp).ThenBy(commit => commit.Id)], _leftOnly, _rightOnly,
            [.. _common.Where(commit => commit.Timestamp >= _oldest)]);

        private void Take(Commit commit, Origin origin)
        {
            if (origin is Origin.Left or Origin.Right)
            {
                _oldest = commit.Timestamp;
                (origin == Origin.Left ? _leftOnly : _rightOnly).Add(commit);
                return;
            }

            if (origin == Origin.Both)
            {
                _bases.Add(commit);
            }

            if (!commit.IsGenesis)
            {
                _common.Add(commit);
            }
        }

        private static bool IsOpen(Origin origin) => origin != Origin.None && (origin & Origin.Below) == 0;
    }
}
