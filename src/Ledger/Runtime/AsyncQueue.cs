namespace Ledger.Runtime;

/// <summary>A bounded first-in, first-out queue between any number of producers and of consumers.</summary>
/// <remarks>
/// Safe from any thread. Those who wait are served in the order in which they came, and continue where their own
/// context runs, never on the stack of whoever served them.
/// </remarks>
/// <typeparam name="T">What is queued.</typeparam>
internal sealed class AsyncQueue<T>
{
    private readonly Lock _gate = new();
    private readonly int _capacity;
    private readonly Queue<T> _items = new();
    private readonly LinkedList<TaskCompletionSource<Dequeued>> _consumers = new();
    private readonly LinkedList<Producer> _producers = new();
    private bool _isComplete;

    /// <summary>Makes an empty queue.</summary>
    /// <param name="capacity">Items held at most, 1 or more; further producers wait.</param>
    public AsyncQueue(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacity);
        _capacity = capacity;
    }

    /// <summary>Items that are queued now, not counting those of waiting producers.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _items.Count;
            }
        }
    }

    /// <summary>Adds an item, as soon as there is room.</summary>
    /// <param name="item">Taken out exactly once, unless the wait is cancelled: then never.</param>
    /// <param name="cancellationToken">Cancels the wait for room.</param>
    /// <exception cref="InvalidOperationException">The queue is complete; the item was not added.</exception>
    public ValueTask EnqueueAsync(T item, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        LinkedListNode<TaskCompletionSource<Dequeued>>? consumer;
        LinkedListNode<Producer>? producer = null;
        lock (_gate)
        {
            if (_isComplete)
            {
                return ValueTask.FromException(NewCompleteException());
            }

            consumer = _consumers.First;
            if (consumer is not null)
            {
                _consumers.RemoveFirst();
            }
            else if (_items.Count < _capacity)
            {
                _items.Enqueue(item);
            }
            else
            {
                producer = _producers.AddLast(new Producer(item));
            }
        }

        consumer?.Value.SetResult(new Dequeued(item));
        return producer is null ? ValueTask.CompletedTask : WaitForRoomAsync(producer, cancellationToken);
    }

    /// <summary>Takes the oldest item, as soon as there is one.</summary>
    /// <param name="cancellationToken">Cancels the wait; then no item is taken.</param>
    /// <returns>The item; <see cref="Dequeued.IsEnd"/> when the queue is complete and empty.</returns>
    public ValueTask<Dequeued> DequeueAsync(CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<Dequeued>(cancellationToken);
        }

        Dequeued result = default;
        LinkedListNode<TaskCompletionSource<Dequeued>>? consumer = null;
        LinkedListNode<Producer>? producer = null;
        lock (_gate)
        {
            if (_items.TryDequeue(out var item))
            {
                result = new Dequeued(item);
                producer = _producers.First;
                if (producer is not null)
                {
                    _producers.RemoveFirst();
                    _items.Enqueue(producer.Value.Item);
                }
            }
            else if (!_isComplete)
            {
                consumer = _consumers.AddLast(
                    new TaskCompletionSource<Dequeued>(TaskCreationOptions.RunContinuationsAsynchronously));
            }
        }

        producer?.Value.Added.SetResult();
        return consumer is null ? new(result) : WaitForItemAsync(consumer, cancellationToken);
    }

    /// <summary>Takes no further items: producers fail, consumers get what is left and then the end.</summary>
    public void Complete()
    {
        TaskCompletionSource<Dequeued>[] consumers;
        Producer[] producers;
        lock (_gate)
        {
            _isComplete = true;
            consumers = [.. _consumers];
            producers = [.. _producers];
            _consumers.Clear();
            _producers.Clear();
        }

        foreach (var consumer in consumers)
        {
            consumer.SetResult(default);
        }

        foreach (var producer in producers)
        {
            producer.Added.SetException(NewCompleteException());
        }
    }

    // The sources' tasks are awaited here and never handed out: WhenAll over them would continue on the pool.
    private async ValueTask<Dequeued> WaitForItemAsync(
        LinkedListNode<TaskCompletionSource<Dequeued>> consumer, CancellationToken cancellationToken)
    {
        using var registration = cancellationToken.UnsafeRegister(
            _ =>
            {
                if (TryRemove(consumer))
                {
                    consumer.Value.SetCanceled(cancellationToken);
                }
            },
            null);
        return await consumer.Value.Task;
    }

    private async ValueTask WaitForRoomAsync(LinkedListNode<Producer> producer, CancellationToken cancellationToken)
    {
        using var registration = cancellationToken.UnsafeRegister(
            _ =>
            {
                if (TryRemove(producer))
                {
                    producer.Value.Added.SetCanceled(cancellationToken);
                }
            },
            null);
        await producer.Value.Added.Task;
    }

    // False when the waiter has been served already, which then stands.
    private bool TryRemove<TWaiter>(LinkedListNode<TWaiter> waiter)
    {
        lock (_gate)
        {
            if (waiter.List is not { } waiters)
            {
                return false;
            }

            waiters.Remove(waiter);
            return true;
        }
    }

    private static InvalidOperationException NewCompleteException() => new("The queue is complete and takes no items.");

    /// <summary>What came out of the queue; the default value is the end.</summary>
    internal readonly struct Dequeued
    {
        private readonly T? _item;
        private readonly bool _hasItem;

        /// <summary>Holds an item.</summary>
        public Dequeued(T item) => (_item, _hasItem) = (item, true);

        /// <summary>True when the queue is complete and empty: nothing will ever come again.</summary>
        public bool IsEnd => !_hasItem;

        /// <summary>The item.</summary>
        /// <exception cref="InvalidOperationException">This is the end.</exception>
        public T Item => _hasItem
            ? _item! // Set together with the flag; null only where T allows it.
            : throw new InvalidOperationException("The queue has ended: there is no item.");
    }

    private sealed record Producer(T Item)
    {
        public TaskCompletionSource Added { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
