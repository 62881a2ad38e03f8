using Ledger.Objects;
using Ledger.Trees;

namespace Ledger.Pages;

/// <summary>Holds the trees of heads until they are stored, also of pages that are closed meanwhile.</summary>
/// <remarks>
/// Safe for concurrent use. A head whose tree is stored costs nothing here, whether its page is open or not.
/// </remarks>
/// <param name="dirty">The nodes that are not stored.</param>
/// <param name="isReadOnly">Trees are never stored: those of closed pages are let go.</param>
internal sealed class LivingHeads(DirtyNodes dirty, bool isReadOnly)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<PageId, SortedDictionary<uint, TreeHold>> _pages = [];

    /// <summary>Pages with a head whose tree is not stored.</summary>
    public int PageCount
    {
        get
        {
            lock (_lock)
            {
                return _pages.Count;
            }
        }
    }

    /// <summary>The roots that are held.</summary>
    public List<ObjectId> ListRoots()
    {
        lock (_lock)
        {
            return [.. _pages.Values.SelectMany(branches => branches.Values).Select(hold => hold.Root)];
        }
    }

    /// <summary>A branch has a new head, or its tree was rebuilt; somebody holds it until this returns.</summary>
    public void Set(PageId page, uint branch, ObjectId root)
    {
        var hold = dirty.TryHold(root);
        lock (_lock)
        {
            if (!_pages.TryGetValue(page, out var branches))
            {
                if (hold is null)
                {
                    return;
                }

                _pages.Add(page, branches = []);
            }

            if (branches.Remove(branch, out var before))
            {
                before.Dispose();
            }

            if (hold is not null)
            {
                branches.Add(branch, hold);
            }
            else if (branches.Count == 0)
            {
                _pages.Remove(page);
            }
        }
    }

    /// <summary>A branch has become part of another one.</summary>
    public void Remove(PageId page, uint branch)
    {
        lock (_lock)
        {
            if (!_pages.TryGetValue(page, out var branches) || !branches.Remove(branch, out var hold))
            {
                return;
            }

            hold.Dispose();
            if (branches.Count == 0)
            {
                _pages.Remove(page);
            }
        }
    }

    /// <summary>A page was deleted.</summary>
    public void Remove(PageId page)
    {
        lock (_lock)
        {
            if (_pages.Remove(page, out var branches))
            {
                foreach (var hold in branches.Values)
                {
                    hold.Dispose();
                }
            }
        }
    }

    /// <summary>Nobody uses a page any more.</summary>
    public void Close(PageId page)
    {
        if (isReadOnly)
        {
            Remove(page);
        }
    }

    /// <summary>Forgets heads whose trees are stored now.</summary>
    public void Trim()
    {
        lock (_lock)
        {
            foreach (var (page, branches) in _pages)
            {
                foreach (var (branch, hold) in branches.Where(pair => pair.Value.IsStored).ToList())
                {
                    branches.Remove(branch);
                    hold.Dispose();
                }

                if (branches.Count == 0)
                {
                    _pages.Remove(page);
                }
            }
        }
    }
}
