using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Ledger.Tests.Server;

/// <summary>A request of HTTP that was changed at random, and what a daemon must say to it.</summary>
/// <param name="Bytes">What is sent.</param>
/// <param name="Statuses">The statuses that are right: one, where the request alone says which.</param>
/// <param name="IsForGateway">False when no call can be read, so that the answer has no body.</param>
/// <param name="MayEnd">Whether the connection may end unheard: the daemon answers before it has read it all.</param>
internal sealed record MutatedRequest(byte[] Bytes, int[] Statuses, bool IsForGateway, bool MayEnd = false)
{
    private const int TooManyBytes = 100_000;

    /// <summary>Requests of every kind, with what each may be answered while others change the store.</summary>
    public static readonly (string Method, string Target, string Body, int[] Statuses)[] Samples =
    [
        ("POST", "/v1/streams/s%2Fx/entries", """{"entries":[{"payload":"aGk=","metadata":{"k":"v"}}]}""", [200]),
        ("GET", "/v1/streams/s/entries?options.limit=5&options.metadata_filters[k]=v&options.tag=t", "", [200]),
        ("GET", "/v1/streams/s/entries?options.after=1&options.desc=true&options.from=2026-01-31T12:00:00Z", "", [200]),
        ("GET", "/v1/streams/s/entries:count", "", [200]),
        ("PUT", "/v1/streams/s/entries/1/tags", """{"tags":["x","y"]}""", [200, 404]),
        ("PATCH", "/v1/streams/s/entries/1/annotations", """{"set":{"a":"1","b":"2"},"delete":["b"]}""", [200, 404]),
        ("POST", "/v1/streams/s/entries:trim", """{"before_id":"0"}""", [200]),
        ("GET", "/v1/streams?after=a&limit=5", "", [200]),
        ("POST", "/v1/streams/s:rename", """{"newName":"t"}""", [200, 404, 409]),
        ("GET", "/v1/streams/s:stat", "", [200]),
        ("POST", "/v1/streams//entries:search", """{"query":"h","options":{"limit":"3"}}""", [200]),
        ("GET", Health, "", [200]),
        ("GET", Document, "", [200]),
        ("GET", Metrics, "", [403]),
    ];

    private const string Health = "/v1/health";
    private const string Document = "/openapi.json";
    private const string Metrics = "/metrics";

    /// <summary>The routes once more, as the document has them: what each path is for.</summary>
    private static readonly (Regex Path, string[] Methods)[] Routes =
    [
        (Of("/v1/streams/[^/]*/entries:?"), ["GET", "POST"]),
        (Of("/v1/streams/[^/]*/entries:(count|subscribe)"), ["GET"]),
        (Of("/v1/streams/[^/]*/entries:(trim|search)"), ["POST"]),
        (Of("/v1/streams/[^/]*/entries/[^/]*/tags:?"), ["PUT"]),
        (Of("/v1/streams/[^/]*/entries/[^/]*/annotations:?"), ["PATCH"]),
        (Of("/v1/streams:?"), ["GET"]),
        (Of("/v1/streams/[^/]*:rename"), ["POST"]),
        (Of("/v1/streams/[^/]*:stat"), ["GET"]),
        (Of("/v1/entries:subscribe"), ["GET"]),
        (Of("/v1/health:?"), ["GET"]),
    ];

    /// <summary>One of the samples, with a change in one place; its framing is sound.</summary>
    public static MutatedRequest Make(Random random)
    {
        var (method, target, text, statuses) = Samples[random.Next(Samples.Length)];
        var body = Encoding.Latin1.GetBytes(text);
        switch (random.Next(6))
        {
            case 0 when random.Next(20) == 0:
                return new(
                    Request(method, target, body, more: $"x-large: {new string('x', 40_000)}\r\n"), [431, 408], false,
                    MayEnd: true);
            case 0 when body.Length > 0 && random.Next(20) == 0:
                return TooLarge(method, target, random.Next(2) == 0);
            case 0 when body.Length > 0:
                body = Mutate(body, random);
                return new(Request(method, target, body), OfBody(body, statuses), true);
            case 1:
                var store = OneLine(Mutate("orders"u8.ToArray(), random));
                return OfHeader(
                    Request(method, target, body, store: store), store, name => OfStore(target, name, statuses));
            case 2:
                var key = OneLine(Mutate(Encoding.Latin1.GetBytes(DaemonFixture.KeyOf("admin")), random));
                return OfHeader(
                    Request(method, target, body, key: key), key,
                    name => target == Health || name == DaemonFixture.KeyOf("admin") ? statuses : [401]);
            case 3:
                var last = OneLine(Mutate("1"u8.ToArray(), random));
                return OfHeader(Request(method, target, body, last: last), last, _ => statuses);
            case 4:
                var other = new[] { "GET", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "get" }[random.Next(7)];
                return new(Request(other, target, body), OfMethod(other, method, target, statuses), true);
            default:
                byte[] path =
                    [.. OneLine(Mutate(Encoding.Latin1.GetBytes(target), random)).Where(letter => letter != ' ')];
                return OfPath(Request(method, Encoding.Latin1.GetString(path), body), method, path);
        }
    }

    private static Regex Of(string pattern) => new($"^{pattern}$", RegexOptions.CultureInvariant);

    private static byte[] Request(
        string method, string target, byte[] body, byte[]? store = null, byte[]? key = null, byte[]? last = null,
        string more = "", bool isAnnounced = true)
    {
        return
        [
            .. Text($"{method} {target} HTTP/1.1\r\nHost: x\r\nx-ledger-store: "), .. store ?? "orders"u8.ToArray(),
            .. Text("\r\nlast-event-id: "), .. last ?? "1"u8.ToArray(),
            .. Text("\r\nx-api-key: "), .. key ?? Text(DaemonFixture.KeyOf("admin")),
            .. Text("\r\n" + more + (isAnnounced ? $"Content-Length: {body.Length}\r\n" : "") + "\r\n"), .. body,
        ];

        static byte[] Text(string text) => Encoding.Latin1.GetBytes(text);
    }

    /// <summary>A body beyond the limit: what says so is refused before it is sent, another while it is read.</summary>
    private static MutatedRequest TooLarge(string method, string target, bool isAnnounced)
    {
        byte[] chunk =
            [.. Encoding.ASCII.GetBytes($"{TooManyBytes:x}\r\n"), .. new byte[TooManyBytes], .. "\r\n0\r\n\r\n"u8];
        return new(
            Request(
                method, target, isAnnounced ? [] : chunk, isAnnounced: false,
                more: isAnnounced ? $"Content-Length: {TooManyBytes}\r\n" : "Transfer-Encoding: chunked\r\n"),
            [413], true, MayEnd: !isAnnounced);
    }

    private static int[] OfBody(byte[] body, int[] statuses)
    {
        try
        {
            // What comes as a question mark otherwise is no text at all.
            var text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(body);
            if (string.IsNullOrWhiteSpace(text))
            {
                return [.. statuses, 400];
            }

            // What is JSON may still be another message than the one that is wanted.
            using var document = JsonDocument.Parse(text);
            return document.RootElement.ValueKind == JsonValueKind.Object ? [.. statuses, 400, 404] : [400];
        }
        catch (Exception error) when (error is DecoderFallbackException or JsonException)
        {
            return [400];
        }
    }

    /// <summary>A header that is text is what it says; another is no header.</summary>
    private static MutatedRequest OfHeader(byte[] request, byte[] value, Func<string, int[]> statuses)
    {
        try
        {
            var text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(value);
            return text.Contains('\0', StringComparison.Ordinal)
                ? new(request, [400], false) : new(request, statuses(text.Trim(' ', '\t')), true);
        }
        catch (DecoderFallbackException)
        {
            return new(request, [400], false);
        }
    }

    private static int[] OfStore(string target, string store, int[] statuses) => store switch
    {
        _ when target is Health or Document or Metrics => statuses,
        "" => [400],
        _ => store.Equals("orders", StringComparison.OrdinalIgnoreCase) ? statuses : [403],
    };

    private static int[] OfMethod(string method, string before, string target, int[] statuses)
    {
        if (method == before)
        {
            return statuses;
        }

        var path = target.Split('?')[0];
        return path is Document or Metrics ? [404] : IsFor(path, method) == true ? [200] : [501];
    }

    private static MutatedRequest OfPath(byte[] request, string method, byte[] target)
    {
        if (target is not [(byte)'/', ..] || target.Any(letter => letter is 0 or > 127))
        {
            // One that might be the name of a host is for another method.
            return new(request, [400, 405], false);
        }

        var text = Encoding.ASCII.GetString(target);
        var path = text.Split('?')[0];
        if (path.Contains("%00", StringComparison.Ordinal))
        {
            return new(request, [400], false);
        }

        return new(
            request,
            IsFor(path, method) switch
            {
                true => [200, 400, 404, 409],
                false => [501],
                null => path switch
                {
                    Document => [200],
                    Metrics => [403],
                    _ => [404],
                },
            },
            true);
    }

    /// <summary>Whether a path is for a method; null when it is for none.</summary>
    private static bool? IsFor(string path, string method) =>
        Array.Find(Routes, route => route.Path.IsMatch(path)).Methods?.Contains(method);

    private static byte[] OneLine(byte[] bytes) => [.. bytes.Where(letter => letter is not ((byte)'\r' or (byte)'\n'))];

    private static byte[] Mutate(byte[] whole, Random random)
    {
        var bytes = whole.ToList();
        for (var change = random.Next(4); change >= 0; change--)
        {
            var at = random.Next(bytes.Count + 1);
            switch (random.Next(6))
            {
                case 0 when at < bytes.Count:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1 when at < bytes.Count:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    bytes.InsertRange(at, whole.Take(random.Next(16)));
                    break;
                case 3 when at < bytes.Count:
                    bytes.RemoveRange(at, Math.Min(random.Next(8), bytes.Count - at));
                    break;
                case 4:
                    bytes.InsertRange(at, Encoding.ASCII.GetBytes(
                        new[] { "%00", "%2F", "%", "..", "[", "]", ":", "{", "\"", "9999999999999999999", "null" }
                            [random.Next(11)]));
                    break;
                default:
                    bytes.Insert(at, (byte)random.Next(32, 127));
                    break;
            }
        }

        return [.. bytes];
    }
}
