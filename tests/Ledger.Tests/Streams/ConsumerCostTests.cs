using System.Runtime.ExceptionServices;
using Ledger.Streams;
using Ledger.Streams.Memory;
using Xunit;

namespace Ledger.Tests.Streams;

/// <summary>What a consumer costs for each entry.</summary>
public sealed class ConsumerCostTests
{
    private static readonly AsyncLocal<bool> IsMeasured = new();

    [Fact]
    public async Task Waiting_for_an_entry_that_comes_throws_and_catches_nothing()
    {
        await using var store = new MemoryStreamStore();
        await using var consumer = await store.AcquireConsumerAsync("c");
        var thrown = new List<string>();
        AppDomain.CurrentDomain.FirstChanceException += Note;
        IsMeasured.Value = true;

        for (var n = 0; n < 20; n++)
        {
            var receiving = consumer.ReceiveAsync().AsTask();
            await store.AppendAsync("s", new NewEntry(new byte[1]));
            await consumer.AcknowledgeAsync(await receiving);
        }

        IsMeasured.Value = false;
        AppDomain.CurrentDomain.FirstChanceException -= Note;
        Assert.Empty(thrown);

        // Of this test alone: others run beside it.
        void Note(object? sender, FirstChanceExceptionEventArgs arguments)
        {
            if (IsMeasured.Value)
            {
                thrown.Add(arguments.Exception.GetType().Name);
            }
        }
    }
}
