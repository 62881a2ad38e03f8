using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Ledger.Tests.Server;

/// <summary>An HTTP/2 connection without rules: it sends what it is given, and notes what comes back.</summary>
internal sealed class RawHttp2 : IDisposable
{
    /// <summary>The types of frames.</summary>
    public const byte Data = 0, Headers = 1, Reset = 3, Settings = 4, Ping = 6, GoAway = 7, Continuation = 9;

    /// <summary>The flags of frames.</summary>
    public const byte Acknowledged = 1, EndStream = 1, EndHeaders = 4;

    /// <summary>The code of an end that says: too much of it.</summary>
    public const int EnhanceYourCalm = 11;

    private readonly TcpClient _client = new() { NoDelay = true };
    private readonly Dictionary<byte, int> _seen = [];

    /// <summary>The code of the GOAWAY; null when none came.</summary>
    public int? GoAwayCode { get; private set; }

    /// <summary>Streams that the server reset.</summary>
    public Dictionary<int, int> Resets { get; } = [];

    /// <summary>Connects and says what begins every connection.</summary>
    public async Task ConnectAsync(IPEndPoint server)
    {
        await _client.ConnectAsync(server);
        byte[] preface = [.. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8, .. Frame(Settings, 0, 0)];
        await _client.GetStream().WriteAsync(preface);
    }

    /// <summary>A frame.</summary>
    public static byte[] Frame(byte type, byte flags, int stream, params ReadOnlySpan<byte> payload)
    {
        var frame = new byte[9 + payload.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, payload.Length << 8);
        (frame[3], frame[4]) = (type, flags);
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), stream);
        payload.CopyTo(frame.AsSpan(9));
        return frame;
    }

    /// <summary>The headers of a call, each as it is.</summary>
    public static byte[] CallHeaders(string path, string key, params IEnumerable<(string Name, string Value)> more) =>
    [
        .. new[]
        {
            (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"),
            ("content-type", "application/grpc"), ("te", "trailers"), ("x-api-key", key), ("x-ledger-store", "orders"),
        }.Concat(more).SelectMany(field => Field(field.Item1, field.Item2)),
    ];

    /// <summary>A field of headers, as a literal that is not indexed.</summary>
    public static byte[] Field(string name, string value) =>
    [
        0, .. Length(name.Length), .. Encoding.ASCII.GetBytes(name), .. Length(value.Length),
        .. Encoding.ASCII.GetBytes(value),
    ];

    /// <summary>How many frames of a type came; to be asked when the connection has ended.</summary>
    public int CountOf(byte type) => _seen.GetValueOrDefault(type);

    /// <summary>Sends something again and again until it was sent often enough, or the server had enough.</summary>
    /// <returns>How often it was sent.</returns>
    public async Task<int> FloodAsync(Func<int, byte[]> batch, int count)
    {
        for (var sent = 0; sent < count; sent++)
        {
            try
            {
                await _client.GetStream().WriteAsync(batch(sent));
            }
            catch (Exception error) when (error is IOException or ObjectDisposedException or InvalidOperationException)
            {
                return sent;
            }
        }

        return count;
    }

    /// <summary>Reads frames until one is what is waited for, or the connection has ended.</summary>
    /// <returns>False when it ended.</returns>
    public async Task<bool> ReadAsync(Func<byte, byte, bool> isAwaited)
    {
        var head = new byte[9];
        var payload = new byte[1 << 16];
        try
        {
            while (true)
            {
                await _client.GetStream().ReadExactlyAsync(head);
                var size = (head[0] << 16) | (head[1] << 8) | head[2];
                await _client.GetStream().ReadExactlyAsync(payload.AsMemory(0, size));
                Note(head[3], BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(5)), payload.AsSpan(0, size));
                if (isAwaited(head[3], head[4]))
                {
                    return true;
                }
            }
        }
        catch (Exception error) when (error is IOException or ObjectDisposedException or InvalidOperationException)
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();

    private void Note(byte type, int stream, ReadOnlySpan<byte> payload)
    {
        _seen[type] = CountOf(type) + 1;
        if (type == GoAway)
        {
            GoAwayCode = BinaryPrimitives.ReadInt32BigEndian(payload[4..]);
        }
        else if (type == Reset)
        {
            Resets[stream] = BinaryPrimitives.ReadInt32BigEndian(payload);
        }
    }

    private static byte[] Length(int value)
    {
        if (value < 127)
        {
            return [(byte)value];
        }

        List<byte> bytes = [127];
        for (value -= 127; value >= 128; value >>= 7)
        {
            bytes.Add((byte)(value | 128));
        }

        return [.. bytes, (byte)value];
    }
}
