using System.Diagnostics.CodeAnalysis;

namespace Ledger.Commits;

/// <summary>Decoded commits by id, bounded in number. Safe for concurrent use.</summary>
/// <remarks>Two generations: when the young one is full it becomes the old one, and the old one is dropped.</remarks>
/// <param name="capacity">Commits held at most.</param>
internal sealed class CommitCache(int capacity)
{
    private readonly Lock _gate = new();
    private Dictionary<CommitId, Commit> _young = [];
    private Dictionary<CommitId, Commit> _old = [];

    /// <summary>Finds a commit and keeps it for longer.</summary>
    public bool TryGet(CommitId id, [NotNullWhen(true)] out Commit? commit)
    {
        lock (_gate)
        {
            if (_young.TryGetValue(id, out commit))
            {
                return true;
            }

            if (!_old.TryGetValue(id, out commit))
            {
                return false;
            }

            AddUnderLock(commit);
            return true;
        }
    }

    /// <summary>Adds a commit.</summary>
    public void Add(Commit commit)
    {
        lock (_gate)
        {
            AddUnderLock(commit);
        }
    }

    private void AddUnderLock(Commit commit)
    {
        _young[commit.Id] = commit;
        if (_young.Count > capacity / 2)
        {
            _old = _young;
            _young = [];
        }
    }
}
