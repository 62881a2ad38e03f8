using Ledger.Objects;
using Ledger.Pages;
using Ledger.Trees;

namespace Ledger.Sync;

/// <summary>Fetches values on demand from the cloud, and gives up after <see cref="TimeMax"/>.</summary>
/// <param name="context">The ledger's.</param>
/// <param name="stop">The engine is being stopped.</param>
internal sealed class ValueFetcher(SyncContext context, CancellationToken stop) : IValueFetcher
{
    /// <summary>How long a fetch is tried.</summary>
    public static readonly TimeSpan TimeMax = TimeSpan.FromSeconds(30);

    /// <inheritdoc/>
    public async ValueTask FetchAsync(
        EntryValue value, long offset, long length, CancellationToken cancellationToken)
    {
        var objects = new ValueObjects(context);
        var backoff = new Backoff(context.Runtime);
        var begun = context.Runtime.Time.GetTimestamp();
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, stop);
        var timer = SyncLoop.CancelAfterAsync(context, TimeMax, end);
        try
        {
            while (true)
            {
                Exception? failure = null;
                await using (var lease = context.Store.BeginWrite())
                {
                    try
                    {
                        await objects.FetchAsync(value, offset, length, lease, end.Token);
                    }
                    catch (Exception exception) when (exception is CloudUnavailableException or MissingObjectException)
                    {
                        failure = exception;
                    }

                    // What came stays, also when the rest did not.
                    await lease.WriteAheadAsync(CancellationToken.None);
                }

                if (failure is null)
                {
                    return;
                }

                if (failure is MissingObjectException)
                {
                    throw NewError(value, "the cloud does not have it", failure);
                }

                await context.Runtime.Delay(backoff.Next(), end.Token);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            var seconds = context.Runtime.Time.GetElapsedTime(begun).TotalSeconds;
            throw NewError(value, $"the cloud did not give it in {seconds:0} s", null);
        }
        finally
        {
            end.Cancel();
            await timer;
        }
    }

    private static NetworkUnavailableException NewError(EntryValue value, string why, Exception? inner) =>
        new($"Value {value.Id} of {value.SizeBytes} bytes is not on this device, and {why}.", inner);
}
