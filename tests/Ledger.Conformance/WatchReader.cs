using Ledger.Pages;

namespace Ledger.Conformance;

/// <summary>Pulls the changes of a watch one by one.</summary>
internal sealed class WatchReader(IPageWatch watch) : IAsyncDisposable
{
    private readonly IAsyncEnumerator<PageChange> _changes = watch.ChangesAsync().GetAsyncEnumerator();
    private Task<bool>? _pending;

    public IPageSnapshot Initial => watch.Initial;

    /// <summary>Begins to wait for the next change, unless that was begun already.</summary>
    public Task<bool> Ask() => _pending ??= _changes.MoveNextAsync().AsTask();

    /// <summary>The next change; null when there are no more.</summary>
    public async Task<PageChange?> NextAsync()
    {
        var moved = Ask();
        var isThere = await moved;
        _pending = null;
        return isThere ? _changes.Current : null;
    }

    /// <summary>The next change in short, or <c>end</c>.</summary>
    public async Task<string> ShowNextAsync() => await NextAsync() is { } change ? await change.ShowAsync() : "end";

    public async ValueTask DisposeAsync()
    {
        await watch.DisposeAsync();
        if (_pending is { } pending)
        {
            await Xunit.Record.ExceptionAsync(() => pending);
        }

        await _changes.DisposeAsync();
    }
}
