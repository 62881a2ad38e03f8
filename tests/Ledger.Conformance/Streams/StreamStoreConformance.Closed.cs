using System.Reflection;
using Ledger.Streams;
using Xunit;

namespace Ledger.Conformance.Streams;

/// <summary>A closed store does nothing more.</summary>
public abstract partial class StreamStoreConformance
{
    /// <summary>Each operation of a store, used as it may be.</summary>
    private static readonly Dictionary<string, Func<IStreamStore, CancellationToken, Task>> Operations = new()
    {
        [nameof(IStreamStore.EnsureCreatedAsync)] = async (store, token) => await store.EnsureCreatedAsync(token),
        [nameof(IStreamStore.CheckHealthAsync)] = async (store, token) => await store.CheckHealthAsync(token),
        [nameof(IStreamStore.AppendAsync)] = async (store, token) =>
            await store.AppendAsync([new StreamAppend("s", [New("2")])], token),
        [nameof(IStreamStore.ReadAsync)] = async (store, token) =>
            await store.ReadAsync("s", null, token).ToListAsync(token),
        [nameof(IStreamStore.ReadAllAsync)] = async (store, token) =>
            await store.ReadAllAsync(cancellationToken: token).ToListAsync(token),
        [nameof(IStreamStore.SearchAsync)] = async (store, token) =>
            await store.SearchAsync("1", null, token).ToListAsync(token),
        [nameof(IStreamStore.FindAsync)] = async (store, token) => await store.FindAsync(EntryId.Of(1), token),
        [nameof(IStreamStore.FindBySourceIdAsync)] = async (store, token) =>
            await store.FindBySourceIdAsync("s", "1", token),
        [nameof(IStreamStore.SubscribeAsync)] = async (store, token) =>
            await store.SubscribeAsync("s", cancellationToken: token).FirstAsync(token),
        [nameof(IStreamStore.SubscribeAllAsync)] = async (store, token) =>
            await store.SubscribeAllAsync(cancellationToken: token).FirstAsync(token),
        [nameof(IStreamStore.SetTagsAsync)] = async (store, token) =>
            await store.SetTagsAsync("s", EntryId.Of(1), ["t"], token),
        [nameof(IStreamStore.SetAnnotationsAsync)] = async (store, token) =>
            await store.SetAnnotationsAsync("s", EntryId.Of(1), Changes(("k", "v")), token),
        [nameof(IStreamStore.TrimAsync)] = async (store, token) => await store.TrimAsync("s", EntryId.Of(1), token),
        [nameof(IStreamStore.RenameAsync)] = async (store, token) => await store.RenameAsync("s", "t", token),
        [nameof(IStreamStore.CountAsync)] = async (store, token) => await store.CountAsync("s", token),
        [nameof(IStreamStore.GetInfoAsync)] = async (store, token) => await store.GetInfoAsync("s", token),
        [nameof(IStreamStore.ListStreamsAsync)] = async (store, token) =>
            await store.ListStreamsAsync(null, token).ToListAsync(token),
        [nameof(IStreamStore.AcquireConsumerAsync)] = async (store, token) =>
        {
            await using var consumer = await store.AcquireConsumerAsync("c", null, token);
        },
        [nameof(IStreamStore.ListConsumersAsync)] = async (store, token) => await store.ListConsumersAsync(token),
        [nameof(IStreamStore.ResetConsumerAsync)] = async (store, token) =>
            await store.ResetConsumerAsync("c", default, create: true, token),
        [nameof(IStreamStore.ReleaseParkedAsync)] = async (store, token) =>
            await store.ReleaseParkedAsync("c", new Position(1), retry: true, token),
        [nameof(IStreamStore.DropConsumerAsync)] = async (store, token) => await store.DropConsumerAsync("c", token),
    };

    [Fact]
    public void Each_operation_is_tried_on_a_closed_store() => Assert.Equal(
        typeof(IStreamStore).GetMethods(BindingFlags.Instance | BindingFlags.Public)
            .Where(method => !method.IsSpecialName).Select(method => method.Name).Order(StringComparer.Ordinal),
        Operations.Keys.Order(StringComparer.Ordinal));

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_closed_store_says_so_whatever_it_is_asked(bool isUsed)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        var store = await OpenAsync();
        if (isUsed)
        {
            await FillAsync(store, "s", "1");
        }

        await store.DisposeAsync();

        foreach (var (name, use) in Operations)
        {
            var thrown = await Record.ExceptionAsync(() => use(store, limit.Token));
            Assert.True(thrown is ObjectDisposedException, $"{name} of a closed store: {thrown?.ToString() ?? "done"}");
        }

        if (isUsed && IsShared)
        {
            var other = await OpenAsync();
            Assert.Equal(["1"], await TextsAsync(other, "s"));
            Assert.Empty(await other.ListConsumersAsync(limit.Token));
        }
    }
}
