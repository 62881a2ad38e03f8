using System.Data.Common;
using Ledger.Runtime;
using Ledger.Streams.Relational;

namespace Ledger.Streams.Sqlite;

/// <summary>Hears of commits by other connections and processes while somebody listens.</summary>
/// <remarks>
/// A watcher on the directory wakes a check of <c>data_version</c>, repeated every millisecond and then less often, for
/// a second at most, because the file changes before the commit can be seen, by as long as a flush takes; without
/// a sign one check per second.
/// </remarks>
/// <param name="runtime">How waiting is done.</param>
/// <param name="committed">Pulsed when another connection committed.</param>
/// <param name="open">Opens a connection for the checks.</param>
internal sealed class SqliteWatch(
    LedgerRuntime runtime, AsyncSignal committed, Func<ValueTask<RelationalSession>> open)
    : IAsyncDisposable
{
    private static readonly TimeSpan IdleInterval = TimeSpan.FromSeconds(1);
    // Until the check of the next second: a flush may take that long.
    private static readonly int[] RepeatsMs =
        [1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 4, 8, 16, 32, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64];

    private readonly Lock _gate = new();
    private readonly AsyncSignal _fileChanged = new();
    private readonly List<Task> _running = [];
    private Action? _stop;
    private int _listeners;

    /// <summary>Checks made so far.</summary>
    public long Checks { get; private set; }

    /// <summary>Watches until it is disposed.</summary>
    public IDisposable Listen()
    {
        lock (_gate)
        {
            if (_listeners++ == 0)
            {
                var stop = new CancellationTokenSource();
                _stop = stop.Cancel;
                _running.RemoveAll(task => task.IsCompleted);
                _running.Add(WatchAsync(stop));
            }
        }

        return new Listener(EndListening);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Task[] running;
        lock (_gate)
        {
            _listeners = 0;
            _stop?.Invoke();
            _stop = null;
            running = [.. _running];
        }

        await Task.WhenAll(running);
    }

    private void EndListening()
    {
        lock (_gate)
        {
            if (_listeners > 0 && --_listeners == 0)
            {
                _stop?.Invoke();
                _stop = null;
            }
        }
    }

    private async Task WatchAsync(CancellationTokenSource stop)
    {
        using (stop)
        {
            try
            {
                while (true)
                {
                    await TryCheckAsync(stop.Token);
                    await runtime.Delay(IdleInterval, stop.Token);
                }
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                // Nobody listens any more.
            }
        }
    }

    /// <summary>Checks until the database fails; whoever listens then looks for itself.</summary>
    private async ValueTask TryCheckAsync(CancellationToken cancellationToken)
    {
        try
        {
            await using var session = await open();

            // As the database names it: the log is beside the file that a link leads to.
            var path = await session.FindAsync(
                "SELECT file FROM pragma_database_list WHERE name = 'main'", [], row => row.GetString(0),
                cancellationToken);
            using var watcher = StartWatcher(path ?? "");
            await CheckUntilAsync(session, cancellationToken);
        }
        catch (DbException)
        {
            committed.Pulse();
        }
    }

    private async ValueTask CheckUntilAsync(RelationalSession session, CancellationToken cancellationToken)
    {
        // As after a sign: right after the start commits can happen of which the watcher does not tell yet.
        var version = -1L;
        var (signs, repeats) = (-1L, 0);
        while (true)
        {
            // However a pause ended: a sign may have come just after it.
            var seen = _fileChanged.Version;
            if (seen != signs)
            {
                (signs, repeats) = (seen, 0);
            }

            var now = await session.FindAsync(
                "PRAGMA data_version", [], row => row.GetInt64(0), cancellationToken);
            Checks++;
            if (now != version)
            {
                // Not the end of the repeats: a commit that begins the log anew shows itself twice, and only the second
                // time with its entries, when the sign is long over.
                version = now;
                committed.Pulse();
            }

            var delay = repeats < RepeatsMs.Length ? TimeSpan.FromMilliseconds(RepeatsMs[repeats++]) : IdleInterval;
            await PauseAsync(delay, seen, cancellationToken);
        }
    }

    /// <summary>Waits, until the next sign at most; a pause of a millisecond is not worth being cut short.</summary>
    private async ValueTask PauseAsync(TimeSpan delay, long seen, CancellationToken cancellationToken)
    {
        if (delay <= TimeSpan.FromMilliseconds(1))
        {
            await runtime.Delay(delay, cancellationToken);
            return;
        }

        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var changed = _fileChanged.WaitAsync(seen, over.Token).AsTask();
        var late = runtime.Delay(delay, over.Token);
        await Task.WhenAny(changed, late);
        over.Cancel();
        foreach (var task in new[] { changed, late })
        {
            try
            {
                await task;
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                // The other came first.
            }
        }

        cancellationToken.ThrowIfCancellationRequested();
    }

    private FileSystemWatcher? StartWatcher(string path)
    {
        try
        {
            var watcher = new FileSystemWatcher(Path.GetDirectoryName(path) ?? "/", Path.GetFileName(path) + "*")
            {
                NotifyFilter = NotifyFilters.LastWrite | NotifyFilters.Size,
            };
            watcher.Changed += (_, _) => _fileChanged.Pulse();
            watcher.EnableRaisingEvents = true;
            return watcher;
        }
        catch (Exception error) when (error is IOException or ArgumentException or UnauthorizedAccessException)
        {
            // The system has no more watches to give, or not for this path: one check per second is left.
            return null;
        }
    }

    private sealed class Listener(Action end) : IDisposable
    {
        private Action? _end = end;

        public void Dispose() => Interlocked.Exchange(ref _end, null)?.Invoke();
    }
}
