using Ledger.Runtime;

namespace Ledger.Pages;

/// <summary>The watches of one connection. Guarded by the page's gate.</summary>
/// <param name="page">The page.</param>
internal sealed class PageWatches(PageState page)
{
    private readonly List<PageWatch> _watches = [];
    private readonly AsyncSignal _progress = new();

    /// <summary>True once the connection is disposed: nothing new is waited for.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>Adds a watch, under the gate.</summary>
    public void Add(PageWatch watch) => _watches.Add(watch);

    /// <summary>Forgets a watch.</summary>
    public void Remove(PageWatch watch)
    {
        lock (page.Gate)
        {
            _watches.Remove(watch);
        }

        _progress.Pulse();
    }

    /// <summary>A watch has been given more, or has left <c>MoveNextAsync</c>.</summary>
    public void Progress() => _progress.Pulse();

    /// <summary>
    /// Waits until the watches that are in <c>MoveNextAsync</c> have been given everything up to this call.
    /// </summary>
    public async ValueTask DrainAsync(CancellationToken cancellationToken)
    {
        var wanted = page.Changed.Version;
        while (true)
        {
            var version = _progress.Version;
            lock (page.Gate)
            {
                if (_watches.TrueForAll(watch => watch.HasSeen(wanted)))
                {
                    return;
                }
            }

            await _progress.WaitAsync(version, cancellationToken);
        }
    }

    /// <summary>The connection is disposed: the watches deliver what happened before, and end.</summary>
    public void Complete()
    {
        lock (page.Gate)
        {
            IsComplete = true;
        }

        page.Changed.Pulse();
    }
}
