using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Ledger.Conformance.Hooks;

/// <summary>A request as it came.</summary>
/// <param name="Path">The target of the request line.</param>
/// <param name="Headers">By name, without case.</param>
/// <param name="Body">The exact bytes.</param>
/// <param name="At">The clock when the last byte was there.</param>
public sealed record HookRequest(
    string Path, IReadOnlyDictionary<string, string> Headers, byte[] Body, DateTimeOffset At);

/// <summary>An HTTP/1.1 server over plain sockets, which answers as well or as badly as it is told.</summary>
public sealed class HookEndpoint : IAsyncDisposable
{
    private static readonly byte[] HeadEnd = "\r\n\r\n"u8.ToArray();

    private readonly TcpListener _listener;
    private readonly X509Certificate2? _certificate;
    private readonly Func<HookRequest, CancellationToken, ValueTask<string?>> _answer;
    private readonly CancellationTokenSource _closing = new();
    private readonly ConcurrentDictionary<Task, bool> _serving = new();
    private readonly Task _accepting;
    private int _connections;

    /// <summary>Begins to listen on a loopback address.</summary>
    /// <param name="answer">
    /// The status, with header lines after it when there are any ("429\r\nRetry-After: 1"); null cuts the connection.
    /// </param>
    /// <param name="port">The port; 0 for a free one.</param>
    /// <param name="certificate">With a key, for TLS; null for clear text.</param>
    public HookEndpoint(
        Func<HookRequest, CancellationToken, ValueTask<string?>> answer, int port = 0,
        X509Certificate2? certificate = null)
    {
        (_answer, _certificate) = (answer, certificate);
        _listener = new TcpListener(IPAddress.Loopback, port);
        _listener.Start(512);
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _accepting = AcceptAsync();
    }

    /// <summary>Where it listens.</summary>
    public int Port { get; }

    /// <summary>Its address, by number.</summary>
    public Uri Url => UrlOf("127.0.0.1");

    /// <summary>Connections so far.</summary>
    public int Connections => Volatile.Read(ref _connections);

    /// <summary>Its address under a name.</summary>
    public Uri UrlOf(string host) => new(string.Create(
        CultureInfo.InvariantCulture, $"{(_certificate is null ? "http" : "https")}://{host}:{Port}/in"));

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        _listener.Stop();
        await _accepting;
        await Task.WhenAll(_serving.Keys);
        _closing.Dispose();
        _listener.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var socket = await _listener.AcceptSocketAsync(_closing.Token);
                Interlocked.Increment(ref _connections);
                socket.NoDelay = true;
                var serving = Task.Run(() => ServeAsync(socket));
                _serving[serving] = true;
                _ = serving.ContinueWith(
                    done => _serving.TryRemove(done, out _), TaskContinuationOptions.ExecuteSynchronously);
            }
        }
        catch (Exception error) when (
            error is OperationCanceledException or SocketException || _closing.IsCancellationRequested)
        {
            // Closed; between two accepts the listener says so in a way of its own.
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        using (socket)
        {
            try
            {
                await using Stream stream = _certificate is null
                    ? new NetworkStream(socket) : await SecureAsync(new NetworkStream(socket));
                await ServeAsync(stream);
            }
            catch (Exception error) when (error is IOException or OperationCanceledException or SocketException
                or System.Security.Authentication.AuthenticationException)
            {
                // The other side left, or this one closes.
            }
        }
    }

    private async Task<Stream> SecureAsync(NetworkStream network)
    {
        var secure = new SslStream(network);
        await secure.AuthenticateAsServerAsync(
            new SslServerAuthenticationOptions { ServerCertificate = _certificate }, _closing.Token);
        return secure;
    }

    private async Task ServeAsync(Stream stream)
    {
        var buffer = new byte[1 << 16];
        var filled = 0;
        while (true)
        {
            int end;
            while ((end = buffer.AsSpan(0, filled).IndexOf(HeadEnd)) < 0)
            {
                filled += await ReadAsync(stream, buffer.AsMemory(filled));
            }

            var lines = Encoding.ASCII.GetString(buffer, 0, end).Split("\r\n");
            var headers = lines.Skip(1).Select(line => line.Split(':', 2)).ToDictionary(
                pair => pair[0], pair => pair[1].Trim(), StringComparer.OrdinalIgnoreCase);
            var body = new byte[int.Parse(headers["Content-Length"], CultureInfo.InvariantCulture)];
            var begin = end + HeadEnd.Length;
            var have = Math.Min(filled - begin, body.Length);
            buffer.AsSpan(begin, have).CopyTo(body);
            buffer.AsSpan(begin + have, filled - begin - have).CopyTo(buffer);
            filled -= begin + have;
            while (have < body.Length)
            {
                have += await ReadAsync(stream, body.AsMemory(have));
            }

            var request = new HookRequest(lines[0].Split(' ')[1], headers, body, DateTimeOffset.UtcNow);
            if (await _answer(request, _closing.Token) is not { } answer)
            {
                return;
            }

            await stream.WriteAsync(
                Encoding.ASCII.GetBytes($"HTTP/1.1 {Insert(answer)}\r\nContent-Length: 0\r\n\r\n"), _closing.Token);
        }
    }

    // A status line has a reason after the number, which may be empty.
    private static string Insert(string answer)
    {
        var end = answer.IndexOf('\r', StringComparison.Ordinal);
        return end < 0 ? answer + " " : string.Concat(answer.AsSpan(0, end), " ", answer.AsSpan(end));
    }

    private async ValueTask<int> ReadAsync(Stream stream, Memory<byte> buffer)
    {
        var count = await stream.ReadAsync(buffer, _closing.Token);
        return count > 0 ? count : throw new EndOfStreamException("The connection ended.");
    }
}
