namespace Ledger.Streams.Consumers;

/// <summary>Runs a handler on a consumer's entries.</summary>
public static class ConsumerLoop
{
    /// <summary>Handles entries until it is cancelled; stands by while another instance has the lease.</summary>
    /// <param name="store">The store.</param>
    /// <param name="name">The consumer.</param>
    /// <param name="handler">
    /// Called for each entry at least once, in stream order; what it throws is a failed attempt. Its token is cancelled
    /// when the lease is lost.
    /// </param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="cancellationToken">Ends it: handlers are cancelled and the lease is given back.</param>
    public static async Task ConsumeAsync(
        this IStreamStore store, string name, Func<Delivery, CancellationToken, ValueTask> handler,
        ConsumerOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(handler);
        options ??= new ConsumerOptions();
        while (true)
        {
            await using var consumer = await store.AcquireConsumerAsync(name, options, cancellationToken);
            using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, consumer.Lost);
            try
            {
                await Task.WhenAll(Enumerable.Range(0, options.Concurrency)
                    .Select(_ => WorkAsync(consumer, handler, over)));
            }
            catch (LeaseLostException)
            {
                // Stand by again.
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                // The workers that were waiting when the lease was lost.
            }
        }
    }

    private static async Task WorkAsync(
        StreamConsumer consumer, Func<Delivery, CancellationToken, ValueTask> handler, CancellationTokenSource over)
    {
        try
        {
            while (true)
            {
                var delivery = await consumer.ReceiveAsync(over.Token);
                string? error = null;
                try
                {
                    await handler(delivery, over.Token);
                }
                catch (Exception failure) when (!IsEnding(failure, over.Token))
                {
                    error = $"{failure.GetType().Name}: {failure.Message}";
                }

                await (error is null
                    ? consumer.AcknowledgeAsync(delivery, CancellationToken.None)
                    : consumer.FailAsync(delivery, error, CancellationToken.None));
            }
        }
        finally
        {
            // One worker that ends, ends them all: the loop above begins again or gives up.
            over.Cancel();
        }
    }

    // A handler that stops because it was told to has not failed.
    private static bool IsEnding(Exception failure, CancellationToken over) =>
        failure is OperationCanceledException && over.IsCancellationRequested;
}
