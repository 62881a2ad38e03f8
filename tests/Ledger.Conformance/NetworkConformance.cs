using System.Text;
using Ledger.Runtime;
using Xunit;

namespace Ledger.Conformance;

/// <summary>What every network behind the network seam must do.</summary>
public abstract class NetworkConformance
{
    /// <summary>The network under test.</summary>
    protected abstract INetwork Network { get; }

    /// <summary>An address to listen at that is free.</summary>
    protected virtual string FreeAddress => "localhost:0";

    [Fact]
    public async Task Bytes_cross_in_both_directions()
    {
        await using var listener = await Network.ListenAsync(FreeAddress, CancellationToken.None);
        await using var client = await Network.ConnectAsync(listener.Address, CancellationToken.None);
        await using var server = (await listener.AcceptAsync(CancellationToken.None))!;

        await client.WriteAsync("ping"u8.ToArray());
        var request = await ReadTextAsync(server, 4);
        await server.WriteAsync("pong!"u8.ToArray());
        var response = await ReadTextAsync(client, 5);

        Assert.Equal("ping", request);
        Assert.Equal("pong!", response);
    }

    [Fact]
    public async Task A_connection_closed_by_the_other_side_reads_to_its_end()
    {
        await using var listener = await Network.ListenAsync(FreeAddress, CancellationToken.None);
        await using var client = await Network.ConnectAsync(listener.Address, CancellationToken.None);
        var server = (await listener.AcceptAsync(CancellationToken.None))!;

        await server.WriteAsync("bye"u8.ToArray());
        await server.DisposeAsync();

        Assert.Equal("bye", await ReadTextAsync(client, 3));
        Assert.Equal(0, await client.ReadAsync(new byte[1]));
    }

    [Fact]
    public async Task More_than_any_buffer_holds_crosses_while_it_is_read()
    {
        await using var listener = await Network.ListenAsync(FreeAddress, CancellationToken.None);
        await using var client = await Network.ConnectAsync(listener.Address, CancellationToken.None);
        await using var server = (await listener.AcceptAsync(CancellationToken.None))!;
        var content = new byte[3_000_000];
        new Random(5).NextBytes(content);

        var writing = client.WriteAsync(content).AsTask();
        var received = await ReadAsync(server, content.Length);
        await writing;

        Assert.True(content.AsSpan().SequenceEqual(received));
    }

    [Fact]
    public async Task Each_connection_is_its_own()
    {
        await using var listener = await Network.ListenAsync(FreeAddress, CancellationToken.None);
        await using var client1 = await Network.ConnectAsync(listener.Address, CancellationToken.None);
        await using var server1 = (await listener.AcceptAsync(CancellationToken.None))!;
        await using var client2 = await Network.ConnectAsync(listener.Address, CancellationToken.None);
        await using var server2 = (await listener.AcceptAsync(CancellationToken.None))!;

        await client2.WriteAsync("2"u8.ToArray());
        await client1.WriteAsync("1"u8.ToArray());

        Assert.Equal("1", await ReadTextAsync(server1, 1));
        Assert.Equal("2", await ReadTextAsync(server2, 1));
    }

    [Fact]
    public async Task Nobody_listens_once_the_listener_is_disposed()
    {
        var listener = await Network.ListenAsync(FreeAddress, CancellationToken.None);
        var waiting = listener.AcceptAsync(CancellationToken.None).AsTask();

        await listener.DisposeAsync();

        Assert.Null(await waiting);
        Assert.Null(await listener.AcceptAsync(CancellationToken.None));
        await Assert.ThrowsAsync<IOException>(
            async () => await Network.ConnectAsync(listener.Address, CancellationToken.None));
    }

    [Fact]
    public async Task An_address_has_one_listener()
    {
        await using var listener = await Network.ListenAsync(FreeAddress, CancellationToken.None);

        await Assert.ThrowsAsync<IOException>(
            async () => await Network.ListenAsync(listener.Address, CancellationToken.None));
    }

    [Theory]
    [InlineData("")]
    [InlineData("localhost")]
    [InlineData(":80")]
    [InlineData("localhost:")]
    [InlineData("localhost:65536")]
    [InlineData("localhost:-1")]
    public async Task An_address_that_means_nothing_is_refused(string address)
    {
        await Assert.ThrowsAsync<ArgumentException>(async () => await Network.ConnectAsync(address, default));
        await Assert.ThrowsAsync<ArgumentException>(async () => await Network.ListenAsync(address, default));
    }

    [Fact]
    public async Task Waiting_for_a_connection_can_be_cancelled()
    {
        using var source = new CancellationTokenSource();
        await using var listener = await Network.ListenAsync(FreeAddress, CancellationToken.None);
        var waiting = listener.AcceptAsync(source.Token).AsTask();

        source.Cancel();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
    }

    private static async Task<string> ReadTextAsync(Stream stream, int count) =>
        Encoding.UTF8.GetString(await ReadAsync(stream, count));

    private static async Task<byte[]> ReadAsync(Stream stream, int count)
    {
        var buffer = new byte[count];
        var total = 0;
        while (total < count)
        {
            var read = await stream.ReadAsync(buffer.AsMemory(total));
            Assert.NotEqual(0, read);
            total += read;
        }

        return buffer;
    }
}
