using System.Text.Json;
using Ledger.Rpc;
using Ledger.Rpc.V1;
using Ledger.Server.Identities;
using Ledger.Streams;
using Ledger.Streams.Consumers;

namespace Ledger.Server.Services;

/// <summary>Consumers: the lease on one lives as long as its call.</summary>
public sealed partial class LedgerService
{
    /// <summary>Takes the lease on a consumer and hands out its entries.</summary>
    /// <remarks>
    /// When the caller says that it is done, the lease is given back; when it goes away without that, what it had out
    /// counts as an attempt and the lease runs out, as when a process dies.
    /// </remarks>
    public async IAsyncEnumerable<ConsumeResponse> ConsumeAsync(
        IAsyncEnumerable<ConsumeRequest> requests, ServiceCall call)
    {
        var name = Require(call, Rights.Admin);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(call.Token, _stopping);
        await using var reading = requests.GetAsyncEnumerator(over.Token);
        if (!await GuardAsync(reading.MoveNextAsync(), call.Token) || reading.Current.Acquire is not { } acquire)
        {
            throw new ArgumentException("The first message of the call acquires a consumer.");
        }

        var options = OptionsOf(acquire);
        StreamRules.Consumer(acquire.Name);
        StreamRules.Filter(options.Filter);
        using var held = await MakeAsync(name, call);
        var consumer = await GuardAsync(
            held.Store.AcquireConsumerAsync(acquire.Name, options, over.Token), call.Token);
        await using var session = new ConsumerSession(consumer, over);
        yield return new ConsumeResponse
        {
            Number = reading.Current.Number,
            Acquired = new ConsumeAcquired { Epoch = consumer.Epoch },
        };
        session.Start(reading);
        while (await GuardAsync(session.NextAsync(over.Token), call.Token) is { } answer)
        {
            yield return answer;
        }
    }

    /// <summary>The consumers of the store.</summary>
    public async Task<ListConsumersResponse> ListConsumersAsync(ListConsumersRequest request, ServiceCall call)
    {
        using var held = await FindAsync(call, Rights.Admin);
        var store = held?.Store;
        var response = new ListConsumersResponse();
        if (store is not null)
        {
            store.Require(true, StreamStoreCapabilities.Consumers);
            foreach (var row in await store.ListConsumersCoreAsync(call.Token))
            {
                var consumer = WireConsumers.Of(ConsumerAdmin.Describe(row));
                (consumer.State, consumer.NowMs) = (row.Whole ?? "", row.NowMs);
                response.Consumers.Add(consumer);
            }
        }

        return response;
    }

    /// <summary>Lets a consumer begin again after a position.</summary>
    public async Task<ResetConsumerResponse> ResetConsumerAsync(ResetConsumerRequest request, ServiceCall call)
    {
        var name = Require(call, Rights.Admin);
        StreamRules.Consumer(request.Name);
        var after = WireEntries.ToPosition(request.After);
        using var held = request.Create
            ? await MakeAsync(name, call)
            : await catalog.FindAsync(name, call.Token);
        return new ResetConsumerResponse
        {
            Found = held is not null
                && await held.Store.ResetConsumerAsync(request.Name, after, request.Create, call.Token),
        };
    }

    /// <summary>Decides about a parked entry.</summary>
    public async Task<ReleaseParkedResponse> ReleaseParkedAsync(ReleaseParkedRequest request, ServiceCall call)
    {
        using var held = await FindAsync(call, Rights.Admin);
        var store = held?.Store;
        StreamRules.Consumer(request.Name);
        var position = WireEntries.ToPosition(request.Position);
        return new ReleaseParkedResponse
        {
            Found = store is not null
                && await store.ReleaseParkedAsync(request.Name, position, request.Retry, call.Token),
        };
    }

    /// <summary>Forgets a consumer.</summary>
    public async Task<DropConsumerResponse> DropConsumerAsync(DropConsumerRequest request, ServiceCall call)
    {
        using var held = await FindAsync(call, Rights.Admin);
        var store = held?.Store;
        StreamRules.Consumer(request.Name);
        return new DropConsumerResponse
        {
            Found = store is not null
                && await store.DropConsumerAsync(request.Name, call.Token),
        };
    }

    /// <summary>Looks at a consumer's state, or writes it when it is still the expected one.</summary>
    public async Task<UpdateConsumerResponse> UpdateConsumerAsync(UpdateConsumerRequest request, ServiceCall call)
    {
        var name = Require(call, Rights.Admin);
        StreamRules.Consumer(request.Name);
        if (request.HasState)
        {
            CheckState(request.State);
        }

        var (write, state) = (request.Write, request.HasState ? request.State : null);
        var expected = request.HasExpected ? request.Expected : null;
        using var held = await MakeAsync(name, call);
        return await held.Store.UpdateConsumerCoreAsync(
            request.Name,
            ParkedPart.All,
            row =>
            {
                var now = row.Whole;
                var isDone = write && now == expected;
                var response = new UpdateConsumerResponse { Done = isDone, NowMs = row.NowMs };
                if ((isDone ? state : now) is { } text)
                {
                    response.State = text;
                }

                return isDone
                    ? row.To(ConsumerRow.Of(request.Name, state, row.NowMs), response)
                    : new ConsumerUpdate<UpdateConsumerResponse>(null, false, response);
            },
            call.Token);
    }

    // What others read must be one: a state that cannot be read would stop them.
    private static void CheckState(string text)
    {
        try
        {
            ConsumerState.Parse(text);
        }
        catch (JsonException error)
        {
            throw new ArgumentException("The state of a consumer is not one.", error);
        }
    }

    /// <summary>The store, which is made for who may append to it.</summary>
    private async ValueTask<HeldStore> MakeAsync(string name, ServiceCall call)
    {
        if (await catalog.FindAsync(name, call.Token) is { } found)
        {
            return found;
        }

        Require(call, Rights.Append);
        return await catalog.OpenAsync(name, call.Token);
    }

    private static ConsumerOptions OptionsOf(ConsumeAcquire acquire)
    {
        var options = new ConsumerOptions
        {
            StartAfter = WireEntries.ToPosition(acquire.StartAfter),
            Filter = WireEntries.ToFilter(acquire.Filter),
        };
        return options with
        {
            LeaseDuration = acquire.LeaseMs == 0 ? options.LeaseDuration : WireConsumers.ToDuration(acquire.LeaseMs),
            Window = acquire.Window == 0 ? options.Window : acquire.Window,
            AttemptsMax = acquire.AttemptsMax == 0 ? options.AttemptsMax : acquire.AttemptsMax,
            RetryDelayMin = acquire.HasRetryMinMs
                ? WireConsumers.ToDuration(acquire.RetryMinMs) : options.RetryDelayMin,
            RetryDelayMax = acquire.HasRetryMaxMs
                ? WireConsumers.ToDuration(acquire.RetryMaxMs) : options.RetryDelayMax,
        };
    }
}
