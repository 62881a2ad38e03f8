using Ledger.Runtime;
using Ledger.Streams.Relational;

namespace Ledger.Streams.Sqlite;

/// <summary>Hears of commits by other connections and processes while somebody listens.</summary>
/// <remarks>
/// A watcher on the directory wakes a check of <c>data_version</c>, repeated every millisecond and then less often, for
/// 136 ms at most, because the file changes before the commit can be seen, by as long as a flush takes; without
/// a sign one check per second.
/// </remarks>
/// <param name="path">The database file.</param>
/// <param name="runtime">How waiting is done.</param>
/// <param name="committed">Pulsed when another connection committed.</param>
/// <param name="open">Opens a connection for the checks.</param>
internal sealed class SqliteWatch(
    string path, LedgerRuntime runtime, AsyncSignal committed, Func<ValueTask<RelationalSession>> open)
    : IAsyncDisposable
{
    private static readonly TimeSpan IdleInterval = TimeSpan.FromSeconds(1);
    private static readonly int[] RepeatsMs = [0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 4, 8, 16, 32, 64];

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
        using (var watcher = StartWatcher())
        {
            await using var session = await open();
            try
            {
                await CheckUntilAsync(session, stop.Token);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                // Nobody listens any more.
            }
        }
    }

    private async ValueTask CheckUntilAsync(RelationalSession session, CancellationToken cancellationToken)
    {
        var version = -1L;
        var isFirst = true;
        while (true)
        {
            var seen = _fileChanged.Version;
            foreach (var delayMs in RepeatsMs)
            {
                if (delayMs > 0)
                {
                    await runtime.Delay(TimeSpan.FromMilliseconds(delayMs), cancellationToken);
                }

                var now = await session.FindAsync(
                    "PRAGMA data_version", [], row => row.GetInt64(0), cancellationToken);
                Checks++;
                if (now != version)
                {
                    version = now;
                    committed.Pulse();
                    break;
                }

                if (_isIdle && seen == _seenIdle)
                {
                    break;
                }
            }

            // Right after the start commits can happen of which the watcher does not tell yet.
            await WaitAsync(isFirst ? seen - 1 : seen, cancellationToken);
            isFirst = false;
        }
    }

    // True when the last wait ended without a sign from the directory, and what had been seen until then: a sign may
    // come in between.
    private bool _isIdle;
    private long _seenIdle;

    private async ValueTask WaitAsync(long seen, CancellationToken cancellationToken)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var changed = _fileChanged.WaitAsync(seen, over.Token).AsTask();
        var idle = runtime.Delay(IdleInterval, over.Token);
        _isIdle = await Task.WhenAny(changed, idle) == idle;
        _seenIdle = seen;
        over.Cancel();
        foreach (var task in new[] { changed, idle })
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

    private FileSystemWatcher? StartWatcher()
    {
        try
        {
            var full = Path.GetFullPath(path);
            var watcher = new FileSystemWatcher(Path.GetDirectoryName(full) ?? "/", Path.GetFileName(full) + "*")
            {
                NotifyFilter = NotifyFilters.LastWrite | NotifyFilters.Size,
            };
            watcher.Changed += (_, _) => _fileChanged.Pulse();
            watcher.EnableRaisingEvents = true;
            return watcher;
        }
        catch (IOException)
        {
            // The system has no more watches to give: one check per second is left.
            return null;
        }
    }

    private sealed class Listener(Action end) : IDisposable
    {
        private Action? _end = end;

        public void Dispose() => Interlocked.Exchange(ref _end, null)?.Invoke();
    }
}
