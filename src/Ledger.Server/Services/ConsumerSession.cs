using System.Threading.Channels;
using Ledger.Rpc;
using Ledger.Rpc.V1;
using Ledger.Runtime;
using Ledger.Streams.Consumers;

namespace Ledger.Server.Services;

/// <summary>One call on a consumer: reads what the caller asks, and gives the answers as they come.</summary>
internal sealed class ConsumerSession : IAsyncDisposable
{
    /// <summary>Entries asked for at once; more than a consumer has workers.</summary>
    private const int ReceivesMax = 64;

    private const int AnswersMax = 128;

    private readonly Channel<ConsumeResponse> _answers = Channel.CreateBounded<ConsumeResponse>(AnswersMax);
    // Open receives and the next request wait with it: it lives until they have ended.
    private readonly CancellationTokenSource _over;
    private readonly StreamConsumer _consumer;
    private readonly Lock _gate = new();
    private readonly Dictionary<long, Delivery> _out = [];
    private readonly HashSet<Task> _receives = [];
    private Task _reading = Task.CompletedTask;
    private bool _isDone;

    /// <summary>A session on a consumer.</summary>
    /// <param name="consumer">The lease, which ends with the session.</param>
    /// <param name="over">
    /// Ends what the session waits for, its requests too; cancelled when the session ends, and disposed of by the
    /// caller afterwards.
    /// </param>
    public ConsumerSession(StreamConsumer consumer, CancellationTokenSource over)
    {
        _consumer = consumer;
        _over = over;
    }

    /// <summary>Begins to read what the caller asks.</summary>
    public void Start(IAsyncEnumerator<ConsumeRequest> requests) => _reading = ReadAsync(requests);

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
            await _consumer.DisposeAsync();
        }
        else
        {
            await _consumer.AbandonAsync();
        }
    }

    private async Task ReadAsync(IAsyncEnumerator<ConsumeRequest> requests)
    {
        using var lost = _consumer.Lost.Register(
            () => _answers.Writer.TryWrite(new ConsumeResponse { Lost = new ConsumeLost() }));
        Exception? failure = null;
        try
        {
            while (await requests.MoveNextAsync())
            {
                await HandleAsync(requests.Current, _over.Token);
            }

            _isDone = true;
        }
        catch (Exception error) when (!_answers.Reader.Completion.IsCompleted)
        {
            // Whatever it is, the caller hears of it: without an end of the answers the call would have none.
            failure = error;
        }
        catch (Exception error) when (error is OperationCanceledException or RpcException or IOException)
        {
            // The answers have ended before, with what the caller hears of.
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
                        await _consumer.AcknowledgeAsync(Taken(request.Acknowledge.Position), CancellationToken.None);
                        return new ConsumeResponse { Done = new ConsumeDone() };
                    },
                    cancellationToken);
                break;
            case ConsumeRequest.KindOneofCase.Fail:
                await AnswerAsync(
                    request.Number,
                    async () =>
                    {
                        await _consumer.FailAsync(
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
            var delivery = await _consumer.ReceiveAsync(cancellationToken);
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
        catch (Exception error) when (error is not (OperationCanceledException or ChannelClosedException))
        {
            // No answer of its own: the call ends with it.
            _answers.Writer.TryComplete(error);
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
