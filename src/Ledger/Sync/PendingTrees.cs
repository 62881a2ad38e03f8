using Ledger.Commits;
using Ledger.Trees;

namespace Ledger.Sync;

/// <summary>Keeps the trees of received commits until they are heads, so that none is made twice.</summary>
/// <remarks>In turns. What is not kept here is rebuilt from the changes.</remarks>
internal sealed class PendingTrees : IDisposable
{
    private const int CountMax = 1024;

    private readonly Dictionary<CommitId, TreeHold> _holds = [];

    /// <summary>Takes over what keeps a tree.</summary>
    public void Add(CommitId commit, TreeHold hold)
    {
        if (_holds.Count >= CountMax || !_holds.TryAdd(commit, hold))
        {
            hold.Dispose();
        }
    }

    /// <summary>A commit is a head, or an ancestor of one.</summary>
    public void Remove(CommitId commit)
    {
        if (_holds.Remove(commit, out var hold))
        {
            hold.Dispose();
        }
    }

    /// <summary>Lets go of everything.</summary>
    public void Dispose()
    {
        foreach (var hold in _holds.Values)
        {
            hold.Dispose();
        }

        _holds.Clear();
    }
}
