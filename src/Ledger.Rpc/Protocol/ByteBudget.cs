namespace Ledger.Rpc.Protocol;

/// <summary>Bytes of memory for large messages: what they take in all, whoever sends or asks for them.</summary>
/// <remarks>
/// Small messages have no part in it: they go on however many large ones wait. Who waits longest is next. Safe from
/// any thread.
/// </remarks>
/// <param name="bytesMax">How many bytes there are; what needs more takes all of them.</param>
internal sealed class ByteBudget(long bytesMax)
{
    /// <summary>Bytes of a message that needs no share.</summary>
    public const int SmallBytes = 256 << 10;

    /// <summary>Bytes unless the host says otherwise.</summary>
    public const long BytesMaxDefault = 128 << 20;

    // Long enough for others to end; no longer, as what came meanwhile is in the way of others on its connection.
    private static readonly TimeSpan WaitMax = TimeSpan.FromSeconds(10);

    // What large messages leave behind is much, and the collector lets it lie while there is memory in the machine.
    private const long CollectBytes = 96 << 20;

    private readonly Lock _gate = new();
    private readonly LinkedList<Waiter> _waiting = [];
    private readonly long _bytesMax = bytesMax;
    private long _free = bytesMax;
    private long _garbage;

    /// <summary>Takes a share, and waits for it a little.</summary>
    /// <returns>Disposed when the bytes are not needed any more.</returns>
    /// <exception cref="RpcException">There was none in time.</exception>
    public async ValueTask<IDisposable> TakeAsync(long bytes, CancellationToken cancellationToken)
    {
        var waiter = new Waiter(Math.Min(bytes, _bytesMax));
        lock (_gate)
        {
            _waiting.AddLast(waiter);
        }

        Serve();
        try
        {
            await waiter.Served.Task.WaitAsync(WaitMax, cancellationToken).ConfigureAwait(false);
            NoteGarbage(0, waiter.Bytes);
            return new Share(this, waiter.Bytes);
        }
        catch (Exception error) when (error is TimeoutException or OperationCanceledException)
        {
            bool isServed;
            lock (_gate)
            {
                isServed = !_waiting.Remove(waiter);
            }

            if (isServed)
            {
                Return(waiter.Bytes);
            }
            else
            {
                Serve();
            }

            throw error is TimeoutException ? Exhausted() : error;
        }
    }

    /// <summary>Takes a share at once.</summary>
    /// <returns>Disposed when the bytes are not needed any more.</returns>
    /// <exception cref="RpcException">There is none.</exception>
    public IDisposable Take(long bytes)
    {
        var share = new Share(this, Math.Min(bytes, _bytesMax));
        lock (_gate)
        {
            if (_waiting.Count == 0 && _free >= share.Bytes)
            {
                _free -= share.Bytes;
                return share;
            }
        }

        // It is there already, and is for nobody.
        NoteGarbage(share.Bytes, 0);
        throw Exhausted();
    }

    private static RpcException Exhausted() => new(
        RpcCode.ResourceExhausted, "The server has as many large messages in hand as it can; try again later.");

    private void Return(long bytes)
    {
        lock (_gate)
        {
            _free += bytes;
        }

        NoteGarbage(bytes, 0);
        Serve();
    }

    /// <summary>Collects when there is as much as would be missed.</summary>
    /// <param name="bytes">What is not needed any more.</param>
    /// <param name="wanted">What is needed next.</param>
    private void NoteGarbage(long bytes, long wanted)
    {
        bool isMuch;
        lock (_gate)
        {
            _garbage += bytes;
            isMuch = _garbage + wanted >= CollectBytes && _garbage > 0;
            _garbage = isMuch ? 0 : _garbage;
        }

        if (isMuch)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        }
    }

    private void Serve()
    {
        while (true)
        {
            Waiter next;
            lock (_gate)
            {
                if (_waiting.First is not { Value: var first } || _free < first.Bytes)
                {
                    return;
                }

                next = first;
                _free -= next.Bytes;
                _waiting.RemoveFirst();
            }

            next.Served.SetResult();
        }
    }

    private sealed class Waiter(long bytes)
    {
        public long Bytes => bytes;

        public TaskCompletionSource Served { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private sealed class Share(ByteBudget budget, long bytes) : IDisposable
    {
        private int _isReturned;

        public long Bytes => bytes;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _isReturned, 1) == 0)
            {
                budget.Return(bytes);
            }
        }
    }
}
