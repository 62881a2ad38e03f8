namespace Ledger.Streams.Subscriptions;

/// <summary>Items of which none is kept while the next one is waited for.</summary>
/// <remarks>
/// An iterator keeps what it gave last, which may be a large entry, as long as nothing comes after it. Here the
/// iterator puts each item where it is taken from, and says only that there is one.
/// </remarks>
/// <typeparam name="T">The items.</typeparam>
/// <param name="steps">Puts an item into the place that it is given before each of its steps.</param>
internal sealed class PassedItems<T>(Func<PassedItems<T>.Slot, IAsyncEnumerable<bool>> steps) : IAsyncEnumerable<T>
    where T : class
{
    /// <inheritdoc/>
    public IAsyncEnumerator<T> GetAsyncEnumerator(CancellationToken cancellationToken = default)
    {
        var slot = new Slot();
        return new Enumerator(slot, steps(slot).GetAsyncEnumerator(cancellationToken));
    }

    /// <summary>Where the next item is put.</summary>
    public sealed class Slot
    {
        /// <summary>The item; null while it is waited for.</summary>
        public T? Item { get; set; }
    }

    private sealed class Enumerator(Slot slot, IAsyncEnumerator<bool> steps) : IAsyncEnumerator<T>
    {
        public T Current => slot.Item!;

        public ValueTask<bool> MoveNextAsync()
        {
            slot.Item = null;
            return steps.MoveNextAsync();
        }

        public ValueTask DisposeAsync() => steps.DisposeAsync();
    }
}
