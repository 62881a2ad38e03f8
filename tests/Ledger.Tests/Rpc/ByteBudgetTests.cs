using Ledger.Rpc;
using Ledger.Rpc.Protocol;
using Ledger.Rpc.V1;
using Xunit;

namespace Ledger.Tests.Rpc;

/// <summary>Who gets memory for what is large, and when.</summary>
public sealed class ByteBudgetTests
{
    // Far beyond what anything here takes.
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task Who_waits_longest_is_next_and_whoever_gives_up_holds_up_nobody()
    {
        var budget = new ByteBudget(100);
        using var gaveUp = new CancellationTokenSource();
        var all = await budget.TakeAsync(1_000, default);
        var first = budget.TakeAsync(90, gaveUp.Token).AsTask();
        var second = budget.TakeAsync(60, default).AsTask();
        var third = budget.TakeAsync(40, default).AsTask();

        var refused = Assert.Throws<RpcException>(() => budget.Take(1));
        await gaveUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first.WaitAsync(Hang));
        var before = (second.IsCompleted, third.IsCompleted);
        all.Dispose();
        all.Dispose();
        using var sixty = await second.WaitAsync(Hang);
        (await third.WaitAsync(Hang)).Dispose();
        using var forty = budget.Take(40);
        Assert.Throws<RpcException>(() => budget.Take(1));

        Assert.Equal((RpcCode.ResourceExhausted, (false, false)), (refused.Code, before));
    }

    [Fact]
    public async Task A_large_message_is_read_when_there_is_memory_for_it_and_small_ones_at_once()
    {
        var budget = new ByteBudget(2 << 20);
        var large = WireFixture.Frame(WireFixture.Append("large", 1 << 20));
        var small = WireFixture.Frame(WireFixture.Append("small", ByteBudget.SmallBytes / 2));
        using var holder = new FrameReader(new MemoryStream([.. large, .. small]), 4 << 20, null, budget);
        using var other = new FrameReader(new MemoryStream(small), 4 << 20, null, budget);
        using var late = new FrameReader(new MemoryStream(large), 4 << 20, null, budget);

        var held = await holder.ReadAsync(AppendRequest.Parser, default);
        var passing = await other.ReadAsync(AppendRequest.Parser, default);
        var waiting = late.ReadAsync(AppendRequest.Parser, default).AsTask();
        var isWaiting = !waiting.IsCompleted;
        var next = await holder.ReadAsync(AppendRequest.Parser, default);
        holder.Dispose();
        var read = await waiting.WaitAsync(Hang);

        Assert.True(isWaiting);
        Assert.Equal(
            ["large", "small", "small", "large"],
            new[] { held, passing, next, read }.Select(message => message!.Stream));
        Assert.Equal(1 << 20, read!.Entries[0].Payload.Length);
    }
}
