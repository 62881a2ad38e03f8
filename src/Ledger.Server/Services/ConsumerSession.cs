using System.Threading.Channels;
using Ledger.Rpc;
using Ledger.Rpc.V1;
using Ledger.Runtime;
using Ledger.Streams.Consumers;

namespace Ledger.Server.Services;

/// <summary>One call on a consumer: reads what the caller asks, and gives the answers as they come.</summary>
/// <param name="consumer">The lease, which ends with the session.</param>
internal sealed class ConsumerSession(StreamConsumer consumer) : IAsyncDisposable
{
    /// <summary>Entries asked for at once; more than a consumer has workers.</summary>
    private const int ReceivesMax = 64;

    private const int AnswersMax = 128;

    private readonly Channel<ConsumeResponse> _answers = Channel.CreateBounded<ConsumeResponse>(AnswersMax);
    private readonly CancellationTokenSource _over = new();
    private readonly Lock _gate = new();
    private readonly Dictionary<long, Delivery> _out = [];
    private readonly HashSet<Task> _receives = [];
    private Task _reading = Task.CompletedTask;
    private bool _isDone;

    /// <summary>Begins to read what the caller asks.</summary>
    public void Start(IAsyncEnumerator<ConsumeRequest> requests, CancellationToken cancellationToken) =>
        _reading = ReadAsync(requests, cancellationToken);

    /// <summary>The next answer; null when the caller is done.</summary>
    public async ValueTask<ConsumeResponse?> NextAsync(CancellationToken cancellationToken) =>
        await _answers.Reader.WaitToReadAsync(cancellationToken)
        && _answers.Reader.TryRead(out var answer) ? answer : null;

    /// <summary>Gives the lease back when the caller was done; otherwise stops as a process does that dies.</summary>
    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        await _reading;
        Task[] receives;
        lock (_gate)
        {
            receives = [.. _receives];
        }

        await Task.WhenAll(receives);
        if (_isDone)
        {
            await consumer.DisposeAsync();
        }
        else
        {
            await consumer.AbandonAsync();
        }

        _over.Dispose();
    }

    private async Task ReadAsync(IAsyncEnumerator<ConsumeRequest> requests, CancellationToken cancellationToken)
    {
        using var lost = consumer.Lost.Register(
            () => _answers.Writer.TryWrite(new ConsumeResponse { Lost = new ConsumeLost() }));
        Exception? failure = null;
        try
        {
            using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _over.Token);
            while (await requests.MoveNextAsync())
            {
                await HandleAsync(requests.Current, over.Token);
            }

            _isDone = true;
        }
        catch (Exception error) when (error is OperationCanceledException or RpcException or IOException)
        {
            failure = error is OperationCanceledException ? null : error;
        }

        _answers.Writer.TryComplete(failure);
    }

    private async ValueTask HandleAsync(ConsumeRequest request, CancellationToken cancellationToken)
    {
        switch (request.KindCase)
        {
            case ConsumeRequest.KindOneofCase.Receive:
                Task receive;
                lock (_gate)
                {
                    _receives.RemoveWhere(task => task.IsCompleted);
                    if (_receives.Count >= ReceivesMax)
                    {
                        throw new RpcException(
                            RpcCode.ResourceExhausted, $"At most {ReceivesMax} entries are asked for at once.");
                    }

                    receive = ReceiveAsync(request.Number, cancellationToken);
                    _receives.Add(receive);
                }

                break;
            case ConsumeRequest.KindOneofCase.Acknowledge:
                await AnswerAsync(
                    request.Number,
                    async () =>
                    {
                        await consumer.AcknowledgeAsync(Taken(request.Acknowledge.Position), CancellationToken.None);
                        return new ConsumeResponse { Done = new ConsumeDone() };
                    },
                    cancellationToken);
                break;
            case ConsumeRequest.KindOneofCase.Fail:
                await AnswerAsync(
                    request.Number,
                    async () =>
                    {
                        await consumer.FailAsync(
                            Taken(request.Fail.Position), request.Fail.Error, CancellationToken.None);
                        return new ConsumeResponse { Done = new ConsumeDone() };
                    },
                    cancellationToken);
                break;
            default:
                throw new RpcException(RpcCode.InvalidArgument, "A message of the call asks for nothing known.");
        }
    }

    private Task ReceiveAsync(long number, CancellationToken cancellationToken) => AnswerAsync(
        number,
        async () =>
        {
            var delivery = await consumer.ReceiveAsync(cancellationToken);
            lock (_gate)
            {
                _out[delivery.Entry.Position.GetValueOrDefault().Value] = delivery;
            }

            return new ConsumeResponse
            {
                Delivery = new ConsumeDelivery
                {
                    Entry = WireEntries.Of(delivery.Entry),
                    Attempt = delivery.Attempt,
                },
            };
        },
        cancellationToken).AsTask();

    private async ValueTask AnswerAsync(
        long number, Func<ValueTask<ConsumeResponse>> work, CancellationToken cancellationToken)
    {
        try
        {
            ConsumeResponse answer;
            try
            {
                answer = await work();
            }
            catch (Exception error) when (error is LedgerException or RpcException or ArgumentException
                or ObjectDisposedException)
            {
                answer = new ConsumeResponse { Error = WireConsumers.Of(RpcErrors.Of(error)) };
            }

            answer.Number = number;
            await _answers.Writer.WriteAsync(answer, cancellationToken);
        }
        catch (Exception error) when (error is OperationCanceledException or ChannelClosedException)
        {
            // The session is over: nobody waits for the answer.
        }
    }

    private Delivery Taken(long position)
    {
        lock (_gate)
        {
            return _out.Remove(position, out var delivery)
                ? delivery
                : throw new RpcException(
                    RpcCode.FailedPrecondition, $"The entry at position {position} is not out.");
        }
    }
}
