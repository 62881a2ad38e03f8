using Ledger.Runtime;

namespace Ledger.Pages;

/// <summary>
/// Which pages have new commits, or were made or deleted, since somebody asked. Safe for concurrent use.
/// </summary>
/// <remarks>Memory follows the number of those pages, and is taken only while somebody follows.</remarks>
internal sealed class MovedPages
{
    private readonly Lock _gate = new();
    private readonly SortedSet<PageId> _pages = [];
    private bool _isFollowed;

    /// <summary>Pulsed after each <see cref="Add"/> that somebody follows.</summary>
    public AsyncSignal Changed { get; } = new();

    /// <summary>From now on pages are noted; those that moved before are not known here.</summary>
    public void Follow()
    {
        lock (_gate)
        {
            _isFollowed = true;
        }
    }

    /// <summary>Nobody asks any more.</summary>
    public void Unfollow()
    {
        lock (_gate)
        {
            _isFollowed = false;
            _pages.Clear();
        }
    }

    /// <summary>A page has a new commit, was made, or was deleted.</summary>
    public void Add(PageId page)
    {
        lock (_gate)
        {
            if (!_isFollowed)
            {
                return;
            }

            _pages.Add(page);
        }

        Changed.Pulse();
    }

    /// <summary>Takes what was noted, ascending.</summary>
    public IReadOnlyList<PageId> Take()
    {
        lock (_gate)
        {
            PageId[] taken = [.. _pages];
            _pages.Clear();
            return taken;
        }
    }
}
