using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Ledger.Tests.Rpc;

/// <summary>An HTTP/2 server of raw frames, which answers each request as a test says.</summary>
/// <remarks>It reads no headers: a request is whatever begins a stream.</remarks>
internal sealed class BadServer : IAsyncDisposable
{
    private const int HeaderBytes = 9;

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _over = new();
    private readonly Func<Peer, int, Task> _answer;
    private readonly Task _accepting;

    public BadServer(Func<Peer, int, Task> answer)
    {
        _answer = answer;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public string Address => $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    /// <summary>Connections so far.</summary>
    public int Connections { get; private set; }

    /// <summary>Requests so far, over all connections.</summary>
    public int Requests { get; private set; }

    /// <summary>Whether pings are answered.</summary>
    public bool IsDeaf { get; set; }

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        _listener.Dispose();
        await _accepting;
        _over.Dispose();
    }

    private async Task AcceptAsync()
    {
        var serving = new List<Task>();
        try
        {
            while (true)
            {
                var client = await _listener.AcceptTcpClientAsync(_over.Token);
                Connections++;
                serving.Add(ServeAsync(client));
            }
        }
        catch (Exception error) when (
            error is OperationCanceledException or SocketException || _over.IsCancellationRequested)
        {
            // Between two accepts the listener was stopped, which it says in a way of its own.
            await Task.WhenAll(serving);
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var _ = client;
        client.NoDelay = true;
        var peer = new Peer(client.GetStream());
        try
        {
            await peer.ReadAsync(24, _over.Token);

            // Ten streams at a time.
            await peer.FrameAsync(4, 0, 0, [0, 3, 0, 0, 0, 10]);
            while (true)
            {
                var header = await peer.ReadAsync(HeaderBytes, _over.Token);
                var payload = await peer.ReadAsync((header[0] << 16) | (header[1] << 8) | header[2], _over.Token);
                var stream = BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(5));
                if (header[3] == 4 && header[4] == 0)
                {
                    await peer.FrameAsync(4, 1, 0, []);
                }
                else if (header[3] == 6 && header[4] == 0 && !IsDeaf)
                {
                    await peer.FrameAsync(6, 1, 0, payload);
                }
                else if (header[3] == 1)
                {
                    Requests++;
                    await _answer(peer, stream);
                }
            }
        }
        catch (Exception error) when (error is OperationCanceledException or IOException or ObjectDisposedException)
        {
            // The client, or the test, is done.
        }
    }

    /// <summary>The client at the other end.</summary>
    internal sealed class Peer(NetworkStream stream)
    {
        public async Task<byte[]> ReadAsync(int count, CancellationToken cancellationToken)
        {
            var bytes = new byte[count];
            await stream.ReadExactlyAsync(bytes, cancellationToken);
            return bytes;
        }

        public async Task FrameAsync(byte type, byte flags, int id, byte[] payload)
        {
            var frame = new byte[HeaderBytes + payload.Length];
            BinaryPrimitives.WriteInt32BigEndian(frame, payload.Length << 8);
            (frame[3], frame[4]) = (type, flags);
            BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), id);
            payload.CopyTo(frame, HeaderBytes);
            await stream.WriteAsync(frame);
        }

        /// <summary>Headers or trailers, each as a literal that is not indexed.</summary>
        public Task HeadersAsync(int id, bool isEnd, params (string Name, string Value)[] headers)
        {
            var block = new List<byte>();
            foreach (var (name, value) in headers)
            {
                block.Add(0);
                block.Add((byte)name.Length);
                block.AddRange(Encoding.ASCII.GetBytes(name));
                block.Add((byte)value.Length);
                block.AddRange(Encoding.ASCII.GetBytes(value));
            }

            return FrameAsync(1, (byte)(isEnd ? 5 : 4), id, [.. block]);
        }

        public Task BeginAsync(int id, string type = "application/grpc") =>
            HeadersAsync(id, false, (":status", "200"), ("content-type", type));

        public Task DataAsync(int id, byte[] bytes, bool isEnd = false) =>
            FrameAsync(0, (byte)(isEnd ? 1 : 0), id, bytes);

        public Task EndAsync(int id, string status = "0") => HeadersAsync(id, true, ("grpc-status", status));

        public Task ResetAsync(int id, int code) => FrameAsync(3, 0, id, Number(code));

        public Task GoAwayAsync(int last, int code) => FrameAsync(7, 0, 0, [.. Number(last), .. Number(code)]);

        public void Close() => stream.Dispose();

        private static byte[] Number(int value)
        {
            var bytes = new byte[4];
            BinaryPrimitives.WriteInt32BigEndian(bytes, value);
            return bytes;
        }
    }
}
