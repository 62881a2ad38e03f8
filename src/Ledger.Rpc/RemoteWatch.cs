using System.Diagnostics;
using Ledger.Rpc.Client;
using Ledger.Rpc.V1;
using Ledger.Runtime;

namespace Ledger.Rpc;

/// <summary>Hears of a remote store's commits while somebody listens: one call, however many do.</summary>
/// <param name="channel">The way to the server.</param>
/// <param name="call">Names the store.</param>
/// <param name="committed">Pulsed for each sign.</param>
/// <param name="runtime">The seams.</param>
internal sealed class RemoteWatch(
    RpcChannel channel, RpcCallOptions call, AsyncSignal committed, LedgerRuntime runtime) : IAsyncDisposable
{
    private static readonly TimeSpan RetryDelayMin = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan RetryDelayMax = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private CancellationTokenSource? _over;
    private Task _watching = Task.CompletedTask;
    private int _listeners;

    /// <summary>Told once for each time that the server is away; null for nobody.</summary>
    public Action? Lost { get; set; }

    /// <summary>Listens until what it returns is disposed.</summary>
    public IDisposable Listen()
    {
        lock (_gate)
        {
            if (_listeners++ == 0)
            {
                _over = new CancellationTokenSource();
                _watching = WatchAsync(_watching, _over.Token);
            }
        }

        return new Listening(this);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Task watching;
        lock (_gate)
        {
            Stop();
            watching = _watching;
        }

        await watching.ConfigureAwait(false);
    }

    private void Leave()
    {
        lock (_gate)
        {
            if (--_listeners == 0)
            {
                Stop();
            }
        }
    }

    // Under the gate.
    private void Stop()
    {
        _over?.Cancel();
        _over?.Dispose();
        _over = null;
    }

    private async Task WatchAsync(Task before, CancellationToken over)
    {
        // It goes on for all who listen: the trace of the first of them ends long before.
        Activity.Current = null;
        await runtime.Enter();
        await before.ConfigureAwait(false);
        var delay = RetryDelayMin;
        var isTold = false;
        while (!over.IsCancellationRequested)
        {
            try
            {
                var signs = channel.StreamAsync(LedgerMethods.WatchStore, new WatchStoreRequest(), call, over);
                await foreach (var _ in signs.ConfigureAwait(false))
                {
                    // Also the first: something may have been committed while nobody heard it.
                    delay = RetryDelayMin;
                    isTold = false;
                    committed.Pulse();
                }
            }
            catch (RpcException)
            {
                // The server is away, or stops. Whoever reads meanwhile hears of it from the reading.
                if (!isTold)
                {
                    isTold = true;
                    Lost?.Invoke();
                }
            }
            catch (OperationCanceledException) when (over.IsCancellationRequested)
            {
                return;
            }
            catch (ObjectDisposedException)
            {
                // The channel was closed: nothing is heard over it any more.
                return;
            }

            await PauseAsync(delay, over).ConfigureAwait(false);
            delay = delay * 2 < RetryDelayMax ? delay * 2 : RetryDelayMax;
        }
    }

    private async Task PauseAsync(TimeSpan delay, CancellationToken cancellationToken)
    {
        try
        {
            await runtime.Delay(delay, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // Nobody listens any more.
        }
    }

    private sealed class Listening(RemoteWatch watch) : IDisposable
    {
        private int _isDisposed;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _isDisposed, 1) == 0)
            {
                watch.Leave();
            }
        }
    }
}
