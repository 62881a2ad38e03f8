using Ledger.Commits;

namespace Ledger.Sync;

/// <summary>Finds the commits that the cloud does not have.</summary>
internal static class Unsynced
{
    /// <summary>The heads and those of their ancestors that are none of others, oldest first: parents first.</summary>
    /// <param name="graph">Where ancestors are read.</param>
    /// <param name="heads">Of the page.</param>
    /// <param name="uploaded">Commits that the cloud has, and so their ancestors.</param>
    /// <param name="cancellationToken">Cancels the reads.</param>
    public static async ValueTask<List<Commit>> ListAsync(
        CommitGraph graph, IReadOnlyList<Commit> heads, IReadOnlyList<Commit> uploaded,
        CancellationToken cancellationToken)
    {
        var waiting = new PriorityQueue<Commit, Commit>(CommitGraph.NewestFirst.Instance);
        var marks = new Dictionary<CommitId, bool>();
        var open = 0;
        uploaded = [.. uploaded, Commit.Genesis];
        foreach (var (commit, isUploaded) in
            heads.Select(head => (head, false)).Concat(uploaded.Select(head => (head, true))))
        {
            Mark(commit, isUploaded);
        }

        var found = new List<Commit>();
        while (open > 0)
        {
            var commit = waiting.Dequeue();
            marks.Remove(commit.Id, out var isUploaded);
            if (!isUploaded)
            {
                open--;
                found.Add(commit);
            }

            foreach (var id in commit.Parents)
            {
                Mark(await graph.ReadAsync(id, cancellationToken), isUploaded);
            }
        }

        found.Reverse();
        return found;

        void Mark(Commit commit, bool isUploaded)
        {
            if (!marks.TryGetValue(commit.Id, out var before))
            {
                waiting.Enqueue(commit, commit);
                marks.Add(commit.Id, isUploaded);
                open += isUploaded ? 0 : 1;
            }
            else if (isUploaded && !before)
            {
                marks[commit.Id] = true;
                open--;
            }
        }
    }
}
