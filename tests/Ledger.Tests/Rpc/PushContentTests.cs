using Ledger.Rpc.Client;
using Xunit;

namespace Ledger.Tests.Rpc;

/// <summary>A body that is written while its call lasts.</summary>
public sealed class PushContentTests
{
    [Fact]
    public async Task A_body_that_is_sent_twice_at_once_is_sent_once()
    {
        using var content = new PushContent();
        await using var first = new HeldStream();
        await using var second = new HeldStream();

        // Both are past the first look, and neither has the body yet.
        var sending = content.CopyToAsync(first);
        var again = content.CopyToAsync(second);
        first.Flushed.SetResult();
        await content.WriteAsync(WireFixture.Append("s"), CancellationToken.None);
        second.Flushed.SetResult();
        content.Complete();

        var error = await Assert.ThrowsAnyAsync<Exception>(() => again);
        Assert.Contains("sent already", (error.InnerException ?? error).Message, StringComparison.Ordinal);
        Assert.Equal((true, 0), (first.Length > 0, second.Length));
        await sending;
    }

    /// <summary>Its first flush ends when the test says so.</summary>
    private sealed class HeldStream : MemoryStream
    {
        public TaskCompletionSource Flushed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override Task FlushAsync(CancellationToken cancellationToken) => Flushed.Task;
    }
}
