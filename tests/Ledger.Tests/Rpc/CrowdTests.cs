using System.Net;
using System.Net.Sockets;
using System.Text;
using Ledger.Rpc;
using Ledger.Rpc.Client;
using Xunit;

namespace Ledger.Tests.Rpc;

/// <summary>Many callers that say nothing, or begin something large and stop: the others are served.</summary>
[Collection(nameof(AloneCollection))]
public sealed class CrowdTests(WireFixture wire) : IClassFixture<WireFixture>
{
    private const int Callers = 1_000;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_thousand_idle_connections_cost_little_and_hold_up_nobody(bool isWithinMessage)
    {
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var sockets = new List<Socket>();
        try
        {
            for (var caller = 0; caller < Callers; caller++)
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                sockets.Add(socket);
                await socket.ConnectAsync(IPAddress.Loopback, wire.Server.Port);
                await socket.SendAsync(isWithinMessage ? Begun() : "PRI * HTTP/2.0\r\n"u8.ToArray());
            }

            var count = await wire.Channel.UnaryAsync(
                LedgerMethods.Count, new() { Stream = "s" }, RpcCallOptions.OfStore("crowd"), default);
            var grown = GC.GetTotalMemory(forceFullCollection: true) - before;

            Assert.Equal(0, count.Count);
            Assert.True(grown < 256 << 20, $"{grown} bytes for {Callers} callers");
        }
        finally
        {
            sockets.ForEach(socket => socket.Dispose());
        }
    }

    /// <summary>A connection, a call, and the first five bytes of a message that would have 16 MiB.</summary>
    private static byte[] Begun()
    {
        var headers = new List<byte>();
        foreach (var (name, value) in new[]
        {
            (":method", "POST"), (":scheme", "http"), (":path", "/ledger.v1.LedgerService/Append"),
            (":authority", "localhost"), ("content-type", "application/grpc"), ("te", "trailers"),
            ("x-api-key", WireServer.Key), ("x-ledger-store", "crowd"),
        })
        {
            headers.AddRange([0, (byte)name.Length, .. Encoding.ASCII.GetBytes(name)]);
            headers.AddRange([(byte)value.Length, .. Encoding.ASCII.GetBytes(value)]);
        }

        return
        [
            .. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8,
            0, 0, 0, 4, 0, 0, 0, 0, 0,
            0, 0, (byte)headers.Count, 1, 4, 0, 0, 0, 1, .. headers,
            0, 0, 5, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0,
        ];
    }
}
