using System.Runtime.CompilerServices;
using Ledger.Rpc;
using Ledger.Rpc.V1;
using Ledger.Server.Identities;
using Ledger.Streams;
using Entry = Ledger.Streams.Entry;

namespace Ledger.Server.Services;

/// <summary>Following: a stream, or the whole store.</summary>
public sealed partial class LedgerService
{
    /// <summary>Follows a stream; ends only with the call, or as unavailable when the daemon stops.</summary>
    public IAsyncEnumerable<SubscribeResponse> SubscribeAsync(SubscribeRequest request, ServiceCall call)
    {
        var name = Require(call, Rights.Read);
        StreamRules.Stream(request.Stream);
        var after = WireEntries.ToIdOrNull(request.After) ?? default;
        var filter = WireEntries.ToFilter(request.Filter);
        StreamRules.Filter(filter);
        return FollowAsync(
            name, (store, token) => store.SubscribeAsync(request.Stream, after, filter, token), call.Token);
    }

    /// <summary>Follows every stream in the order of commit; otherwise as <see cref="SubscribeAsync"/>.</summary>
    public IAsyncEnumerable<SubscribeResponse> SubscribeAllAsync(SubscribeAllRequest request, ServiceCall call)
    {
        var name = Require(call, Rights.Read);
        var after = WireEntries.ToPosition(request.After);
        var filter = WireEntries.ToFilter(request.Filter);
        StreamRules.Filter(filter);
        return FollowAsync(name, (store, token) => store.SubscribeAllAsync(after, filter, token), call.Token);
    }

    /// <summary>Says that something was committed to the store: at once, and after each commit.</summary>
    public IAsyncEnumerable<WatchStoreResponse> WatchStoreAsync(WatchStoreRequest request, ServiceCall call) =>
        WatchAsync(Require(call, Rights.Read), call.Token);

    private async IAsyncEnumerable<WatchStoreResponse> WatchAsync(
        string name, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stopping);
        yield return new WatchStoreResponse();
        using var held = await GuardAsync(catalog.WaitAsync(name, over.Token), cancellationToken);
        var store = held.Store;
        using var listening = store.Listen();
        while (true)
        {
            var seen = store.Committed.Version;
            yield return new WatchStoreResponse();
            await GuardAsync(WaitAsync(store, seen, over.Token), cancellationToken);
        }

        static async ValueTask<bool> WaitAsync(StreamStore store, long seen, CancellationToken token)
        {
            await store.Committed.WaitAsync(seen, token);
            return true;
        }
    }

    private async IAsyncEnumerable<SubscribeResponse> FollowAsync(
        string name, Func<StreamStore, CancellationToken, IAsyncEnumerable<StreamItem<Entry>>> follow,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stopping);
        using var found = await catalog.FindAsync(name, cancellationToken);
        var isCaughtUp = found is null;
        if (found is null)
        {
            // A store that is not there is an empty one: followed from the moment somebody makes it.
            yield return new SubscribeResponse { CaughtUp = new CaughtUp() };
        }

        using var made = found is null
            ? await GuardAsync(catalog.WaitAsync(name, over.Token), cancellationToken) : null;
        await using var items = follow((found ?? made!).Store, over.Token).GetAsyncEnumerator(over.Token);
        while (await GuardAsync(items.MoveNextAsync(), cancellationToken))
        {
            switch (items.Current)
            {
                case EntryItem<Entry> entry:
                    yield return new SubscribeResponse { Entry = WireEntries.Of(entry.Entry) };
                    break;
                case CheckpointItem<Entry> checkpoint:
                    yield return new SubscribeResponse
                    {
                        Checkpoint = new Checkpoint
                        {
                            Id = checkpoint.Id.ToString(),
                            Position = checkpoint.Position?.Value ?? 0,
                        },
                    };
                    break;
                case CaughtUpItem<Entry> when !isCaughtUp:
                    isCaughtUp = true;
                    yield return new SubscribeResponse { CaughtUp = new CaughtUp() };
                    break;
            }
        }
    }

    /// <summary>Waits; that the daemon stops is something else than that the caller went away.</summary>
    private async ValueTask<TResult> GuardAsync<TResult>(ValueTask<TResult> work, CancellationToken cancellationToken)
    {
        try
        {
            return await work;
        }
        catch (OperationCanceledException error)
            when (_stopping.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new RpcException(RpcCode.Unavailable, "The server is stopping.", null, error);
        }
    }
}
