using Ledger.Runtime;
using Ledger.Streams.Subscriptions;

namespace Ledger.Server.Services;

/// <summary>Memory for what followers have read and their callers have not taken, all together.</summary>
/// <remarks>
/// Whoever does not take what it follows holds a page. There is room for some of them: the more there are the smaller
/// they are, and only a few are read at a time, as nobody knows before how large the next entry is. When there is no
/// room, and somebody has waited for it a while, the call that stands still longest is ended; its caller goes on after
/// what it has. Whoever waits longest is next. Safe from any thread.
/// </remarks>
/// <param name="bytesMax">Bytes that all of them may hold.</param>
/// <param name="runtime">The seams.</param>
/// <param name="stallTime">How long a call may stand still while others wait; 10 s when null.</param>
/// <param name="guessBytes">What a page is expected to hold at least.</param>
internal sealed class FollowRoom(
    long bytesMax, LedgerRuntime runtime, TimeSpan? stallTime = null, long guessBytes = FollowRoom.PageBytesMin)
{
    /// <summary>Bytes unless the host says otherwise.</summary>
    public const long BytesMaxDefault = 160 << 20;

    // An entry, its message, and that in the buffer of the connection; or its JSON.
    private const int SharesOfPayload = 3;
    private const int ReadersMax = 4;
    private const int PageBytesMin = 16 << 10;
    private const int PlacesMin = 512;

    private readonly TimeSpan _stallTime = stallTime ?? TimeSpan.FromSeconds(10);
    private readonly Lock _gate = new();
    private readonly LinkedList<TaskCompletionSource<int>> _waiting = [];

    // Whoever moved longest ago is first.
    private readonly LinkedList<Place> _holding = [];
    private readonly long _leastBytes = guessBytes;
    private int _readers;
    private int _places;
    private long _heldBytes;
    private long _guessBytes = guessBytes;

    /// <summary>A place for one follower, given back by disposing of it.</summary>
    /// <param name="abort">Ends its call, whether or not the caller hears of it; null when nothing does.</param>
    public Place Enter(Action? abort)
    {
        Interlocked.Increment(ref _places);
        return new Place(this, abort);
    }

    private long Now => runtime.Time.GetTimestamp();

    private async ValueTask<int> TakeAsync(CancellationToken cancellationToken)
    {
        var turn = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            _waiting.AddLast(turn);
        }

        Serve();
        while (true)
        {
            try
            {
                return await turn.Task.WaitAsync(_stallTime, cancellationToken);
            }
            catch (TimeoutException)
            {
                FindStalled()?.Abort();
            }
            catch (OperationCanceledException)
            {
                bool isServed;
                lock (_gate)
                {
                    isServed = !_waiting.Remove(turn);
                    _readers -= isServed ? 1 : 0;
                }

                Serve();
                throw;
            }
        }
    }

    /// <summary>The call that stands still longest, if that is long; null for none, or when there is room.</summary>
    private Place? FindStalled()
    {
        lock (_gate)
        {
            return !HasRoom() && _holding.First is { Value: var first }
                && runtime.Time.GetElapsedTime(first.MovedAt) >= _stallTime
                ? first : null;
        }
    }

    // What the next page has is guessed from those before. One is always read: somebody must go on.
    private bool HasRoom() =>
        _heldBytes + ((_readers + 1) * _guessBytes) <= bytesMax || (_heldBytes == 0 && _readers == 0);

    private void Serve()
    {
        while (true)
        {
            TaskCompletionSource<int> next;
            lock (_gate)
            {
                if (_waiting.First is not { Value: var first } || _readers >= ReadersMax || !HasRoom())
                {
                    return;
                }

                next = first;
                _waiting.RemoveFirst();
                _readers++;
            }

            // Half of it, as the last entry of a page goes beyond what it may have, and not more for those who come
            // first: they would hold what those who come later need.
            var share = bytesMax / SharesOfPayload / 2 / Math.Max(PlacesMin, Volatile.Read(ref _places));
            next.SetResult((int)Math.Max(share, PageBytesMin));
        }
    }

    /// <summary>What one follower holds.</summary>
    internal sealed class Place : IPagePlace, IDisposable
    {
        private readonly FollowRoom _room;
        private readonly Action? _abort;
        private readonly LinkedListNode<Place> _node;
        private bool _isReading;
        private bool _isAborted;
        private long _bytes;

        /// <summary>A place that holds nothing.</summary>
        public Place(FollowRoom room, Action? abort)
        {
            (_room, _abort) = (room, abort);
            _node = new LinkedListNode<Place>(this);
        }

        /// <summary>When its caller last took something; of the runtime's clock.</summary>
        public long MovedAt { get; private set; }

        /// <inheritdoc/>
        public async ValueTask<int> TakeAsync(CancellationToken cancellationToken)
        {
            var bytes = await _room.TakeAsync(cancellationToken);
            _isReading = true;
            return bytes;
        }

        /// <inheritdoc/>
        public void Hold(long payloadBytes)
        {
            lock (_room._gate)
            {
                _isReading = false;
                _room._readers--;
                _bytes = SharesOfPayload * payloadBytes;
                _room._heldBytes += _bytes;
                _room._guessBytes = _bytes > _room._guessBytes
                    ? _bytes : Math.Max(_room._leastBytes, (_room._guessBytes + _bytes) / 2);
                MovedAt = _room.Now;
                _room._holding.AddLast(_node);
            }

            _room.Serve();
        }

        /// <inheritdoc/>
        public void Moved()
        {
            lock (_room._gate)
            {
                MovedAt = _room.Now;
                if (_node.List is { } holding)
                {
                    holding.Remove(_node);
                    holding.AddLast(_node);
                }
            }
        }

        /// <inheritdoc/>
        public void Release()
        {
            lock (_room._gate)
            {
                _room._readers -= _isReading ? 1 : 0;
                _isReading = false;
                _room._heldBytes -= _bytes;
                _bytes = 0;
                _node.List?.Remove(_node);
            }

            _room.Serve();
        }

        /// <summary>Ends the call, once.</summary>
        public void Abort()
        {
            lock (_room._gate)
            {
                if (_isAborted)
                {
                    return;
                }

                _isAborted = true;
                _node.List?.Remove(_node);
            }

            _abort?.Invoke();
        }

        /// <inheritdoc/>
        public void Dispose()
        {
            Release();
            Interlocked.Decrement(ref _room._places);
        }
    }
}
