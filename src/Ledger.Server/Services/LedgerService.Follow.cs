using System.Runtime.CompilerServices;
using Ledger.Rpc;
using Ledger.Rpc.V1;
using Ledger.Server.Identities;
using Ledger.Streams;
using Ledger.Streams.Subscriptions;
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
        return Follow(
            name, (store, place, token) => store.Subscribe(request.Stream, after, filter, place, token), call);
    }

    /// <summary>Follows every stream in the order of commit; otherwise as <see cref="SubscribeAsync"/>.</summary>
    public IAsyncEnumerable<SubscribeResponse> SubscribeAllAsync(SubscribeAllRequest request, ServiceCall call)
    {
        var name = Require(call, Rights.Read);
        var after = WireEntries.ToPosition(request.After);
        var filter = WireEntries.ToFilter(request.Filter);
        StreamRules.Filter(filter);
        return Follow(
            name, (store, place, token) => store.Subscribe(null, EntryId.Of(after.Value), filter, place, token), call);
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

    private PassedItems<SubscribeResponse> Follow(
        string name, Func<StreamStore, IPagePlace, CancellationToken, IAsyncEnumerable<StreamItem<Entry>>> follow,
        ServiceCall call) => new(slot => FollowAsync(name, follow, slot, call.Abort, call.Token));

    private async IAsyncEnumerable<bool> FollowAsync(
        string name, Func<StreamStore, IPagePlace, CancellationToken, IAsyncEnumerable<StreamItem<Entry>>> follow,
        PassedItems<SubscribeResponse>.Slot slot, Action? abort,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stopping);
        using var found = await catalog.FindAsync(name, cancellationToken);
        var isCaughtUp = found is null;
        if (found is null)
        {
            // A store that is not there is an empty one: followed from the moment somebody makes it.
            slot.Item = new SubscribeResponse { CaughtUp = new CaughtUp() };
            yield return true;
        }

        using var made = found is null
            ? await GuardAsync(catalog.WaitAsync(name, over.Token), cancellationToken) : null;
        using var place = _room.Enter(abort);
        await using var items = follow((found ?? made!).Store, place, over.Token).GetAsyncEnumerator(over.Token);
        while (await GuardAsync(items.MoveNextAsync(), cancellationToken))
        {
            if (items.Current is not CaughtUpItem<Entry> || !isCaughtUp)
            {
                isCaughtUp |= items.Current is CaughtUpItem<Entry>;
                slot.Item = Of(items.Current);
                yield return true;
            }
        }
    }

    private static SubscribeResponse Of(StreamItem<Entry> item) => item switch
    {
        EntryItem<Entry> entry => new SubscribeResponse { Entry = WireEntries.Of(entry.Entry) },
        CheckpointItem<Entry> checkpoint => new SubscribeResponse
        {
            Checkpoint = new Checkpoint
            {
                Id = checkpoint.Id.ToString(),
                Position = checkpoint.Position?.Value ?? 0,
            },
        },
        _ => new SubscribeResponse { CaughtUp = new CaughtUp() },
    };

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
