using Ledger.Streams;
using Ledger.Streams.Sqlite;
using Ledger.Streams.Subscriptions;
using Xunit;

namespace Ledger.Tests.Streams;

/// <summary>What a subscription keeps for its caller.</summary>
public sealed class SubscriptionMemoryTests
{
    // Far beyond what anything here takes.
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task A_page_has_the_bytes_that_there_is_room_for_and_nothing_is_held_while_nothing_comes()
    {
        var file = new SqliteFile();
        await using (var store = new SqliteStreamStore(new() { DataSource = file.Path }))
        {
            for (var entry = 0; entry < 7; entry++)
            {
                await store.AppendAsync("s", new NewEntry(new byte[100]));
            }

            var place = new CountingPlace(bytesMax: 150);
            using var over = new CancellationTokenSource();
            await using var items = store.Subscribe("s", default, null, place, over.Token).GetAsyncEnumerator();
            var held = new List<long>();
            while (await items.MoveNextAsync() && items.Current is EntryItem<Entry>)
            {
                held.Add(place.HeldBytes);
            }

            var next = items.MoveNextAsync().AsTask();

            // Two entries reach the bound; the last page has what is left.
            Assert.Equal([200, 200, 200, 200, 200, 200, 100], held);
            Assert.Equal((0, 7), (place.HeldBytes, place.Moves));
            Assert.False(next.IsCompleted);
            Assert.Null(items.Current);
            await over.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => next.WaitAsync(Hang));
        }

        file.Delete();
    }

    /// <summary>Gives everybody the same room.</summary>
    private sealed class CountingPlace(int bytesMax) : IPagePlace
    {
        public long HeldBytes { get; private set; }

        public int Moves { get; private set; }

        public ValueTask<int> TakeAsync(CancellationToken cancellationToken) => new(bytesMax);

        public void Hold(long payloadBytes) => HeldBytes += payloadBytes;

        public void Moved() => Moves++;

        public void Release() => HeldBytes = 0;
    }
}
