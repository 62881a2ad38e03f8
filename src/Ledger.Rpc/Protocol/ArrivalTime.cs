namespace Ledger.Rpc.Protocol;

/// <summary>How long something may take to come, from when its time begins; disposed when it is there.</summary>
/// <param name="time">How long.</param>
/// <param name="call">Ends the wait before.</param>
internal sealed class ArrivalTime(TimeSpan time, CancellationToken call) : IDisposable
{
    /// <summary>For what is large, from when it is its turn: whoever takes longer holds up the others.</summary>
    public static readonly TimeSpan OfLarge = TimeSpan.FromMinutes(2);

    private readonly CancellationTokenSource _over = CancellationTokenSource.CreateLinkedTokenSource(call);

    /// <summary>Cancelled when the time, or the call, is over.</summary>
    public CancellationToken Token => _over.Token;

    /// <summary>From now on the time counts.</summary>
    public void Begin() => _over.CancelAfter(time);

    /// <summary>Waits for what reads with <see cref="Token"/>.</summary>
    /// <param name="reading">What reads.</param>
    /// <param name="what">What is waited for, as a sentence begins with it.</param>
    /// <exception cref="RpcException">It did not come in time.</exception>
    public async ValueTask<TResult> GuardAsync<TResult>(ValueTask<TResult> reading, string what)
    {
        try
        {
            return await reading.ConfigureAwait(false);
        }
        catch (OperationCanceledException error) when (!call.IsCancellationRequested)
        {
            throw new RpcException(RpcCode.DeadlineExceeded, $"{what} did not come within {time}.", null, error);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _over.Dispose();
}
