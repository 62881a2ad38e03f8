using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Ledger.EndToEnd.Processes;
using Xunit;

namespace Ledger.EndToEnd.Daemon;

/// <summary>Every route of the gateway of the real daemon, called by a client that is not ours: curl.</summary>
public sealed partial class CurlTests : IDisposable
{
    private static readonly string Entry = Json(
        "{'id':'1','stream':'a/b:c','payload':'aGk=','orderKey':'o','dedupKey':'','schemaVersion':'1'," +
        "'metadata':{'k':'v'},'tags':['t'],'annotations':{},'createdAt':'T','updatedAt':null,'position':'1'," +
        "'sourceId':''}");

    private static readonly string ChangedEntry = Json(
        "{'id':'1','stream':'a/b:c','payload':'aGk=','orderKey':'o','dedupKey':'','schemaVersion':'1'," +
        "'metadata':{'k':'v'},'tags':['x','y'],'annotations':{'a':'1'},'createdAt':'T','updatedAt':'T'," +
        "'position':'1','sourceId':''}");

    private static readonly string LastEntry = Json(
        "{'id':'2','stream':'other','payload':'Mg==','orderKey':'','dedupKey':'','schemaVersion':'1'," +
        "'metadata':{},'tags':[],'annotations':{},'createdAt':'T','updatedAt':null,'position':'2','sourceId':''}");

    // In this order; paths are those of the description, and what is in braces is put in.
    private static readonly Call[] Calls =
    [
        new("POST", "/v1/streams/{stream}/entries", """{"ids":["1","2"],"entries":[{"id":"1","duplicate":false},""" +
            """{"id":"2","duplicate":false}],"end":"2"}""")
        {
            Body = """{"entries":[{"payload":"aGk=","order_key":"o","metadata":{"k":"v"},"tags":["t"]},""" +
                """{"payload":"Mg=="}]}""",
        },
        new("GET", "/v1/streams/{stream}/entries", $$"""{"entries":[{{Entry}}],"more":false}""")
        {
            Query = "?options.metadata_filters[k]=v&options.limit=1",
        },
        new("GET", "/v1/streams/{stream}/entries:count", """{"count":"2"}"""),
        new("PUT", "/v1/streams/{stream}/entries/{id}/tags", "{}") { Body = """{"tags":["x","y"]}""" },
        new("PATCH", "/v1/streams/{stream}/entries/{id}/annotations", "{}")
        {
            Body = """{"set":{"a":"1","b":"2"},"delete":["b"]}""",
        },
        new("POST", "/v1/streams/{stream}/entries:search", $$"""{"entries":[{{ChangedEntry}}],"more":false}""")
        {
            Stream = "",
            Body = """{"query":"HI"}""",
        },
        new("GET", "/v1/streams/{stream}:stat",
            """{"stream":"a/b:c","count":"2","firstId":"1","lastId":"2","end":"2"}"""),
        new("GET", "/v1/streams", """{"streamIds":["a/b:c"],"more":false}""") { Query = "?limit=5" },
        new("POST", "/v1/streams/{stream}/entries:trim", """{"deleted":"1"}""") { Body = """{"before_id":"1"}""" },
        new("POST", "/v1/streams/{name}:rename", "{}") { Body = """{"new_name":"other"}""" },
        new("GET", "/v1/health", """{"status":"ok"}"""),
    ];

    private static readonly Call[] Follows =
    [
        new("GET", "/v1/streams/{stream}/entries:subscribe", LastEntry) { Stream = "other" },
        new("GET", "/v1/entries:subscribe", LastEntry),
    ];

    private readonly DaemonShell _shell = new();
    private Uri _address = new("http://localhost");

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task Curl_calls_every_route_and_gets_the_status_and_the_body_that_are_documented()
    {
        var (child, http) = await _shell.ForegroundAsync();
        using (child)
        using (http)
        {
            _address = http.BaseAddress!;
            foreach (var call in Calls)
            {
                Assert.Equal((call.Name, "200", call.Answer), (call.Name, await StatusAsync(call), await BodyAsync()));
            }

            foreach (var call in Follows)
            {
                await AssertFollowsAsync(call);
            }

            await AssertOtherAsync();
            Assert.Equal("200", await StatusAsync(new("GET", "/openapi.json", "")));
            using var description = JsonDocument.Parse(await File.ReadAllTextAsync(BodyPath));
            Assert.Equal(
                description.RootElement.GetProperty("paths").EnumerateObject()
                    .SelectMany(path => path.Value.EnumerateObject().Select(
                        operation => $"{operation.Name.ToUpperInvariant()} {path.Name}"))
                    .Order(StringComparer.Ordinal),
                Calls.Concat(Follows).Select(call => call.Name).Order(StringComparer.Ordinal));
            await child.SignalAsync("TERM");
            Assert.Equal(0, (await child.EndAsync()).ExitCode);
        }
    }

    private static string Json(string text) => text.Replace('\'', '"');

    private string BodyPath => _shell.Directory["body"];

    [GeneratedRegex("""
        "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"
        """)]
    private static partial Regex Time { get; }

    private string[] ArgumentsOf(Call call, params string[] more) =>
    [
        "--silent", "--show-error", "--globoff", "--path-as-is", "--noproxy", "*", "--max-time", "120",
        "--request", call.Method, .. call.Key is { } key ? ["--header", "x-api-key: " + key] : Array.Empty<string>(),
        "--header", "x-ledger-store: curl", .. call.Body is { } body ? ["--data", body] : Array.Empty<string>(),
        .. more, new Uri(_address, "/").ToString().TrimEnd('/') + call.Target,
    ];

    /// <summary>Makes a call; the body of its answer is in a file then.</summary>
    /// <returns>The status.</returns>
    private async Task<string> StatusAsync(Call call)
    {
        using var curl = Child.StartProgram(
            "curl", _shell.Directory.Path,
            ArgumentsOf(call, "--output", BodyPath, "--write-out", "%{http_code}"));
        var result = await curl.EndAsync();
        Assert.True(result.ExitCode == 0, $"{call.Name}: curl ended with {result.ExitCode}: {result.Error}");
        return result.Text;
    }

    /// <summary>The body of the last answer, without its times.</summary>
    private async Task<string> BodyAsync() => Time.Replace(await File.ReadAllTextAsync(BodyPath), "\"T\"");

    /// <summary>Follows, reads what is there, and goes on after that with a second call.</summary>
    private async Task AssertFollowsAsync(Call call)
    {
        using var first = Child.StartProgram(
            "curl", _shell.Directory.Path, ArgumentsOf(call, "--no-buffer", "--include"));
        var lines = await UntilCaughtUpAsync(first);
        using var second = Child.StartProgram(
            "curl", _shell.Directory.Path,
            ArgumentsOf(call, "--no-buffer", "--include", "--header", "Last-Event-ID: 2"));
        var later = await UntilCaughtUpAsync(second);

        Assert.Equal(
            ("HTTP/1.1 200 OK", "HTTP/1.1 200 OK"), (lines[0].TrimEnd('\r'), later[0].TrimEnd('\r')));
        Assert.Contains("Content-Type: text/event-stream\r", lines);
        Assert.Equal(["id: 2", "data: " + call.Answer], lines.Where(line => line.Contains('2') && line[^1] != '\r'));
        Assert.DoesNotContain(later, line => line.Contains("payload", StringComparison.Ordinal));
    }

    private static async Task<List<string>> UntilCaughtUpAsync(Child curl)
    {
        var lines = new List<string>();
        while (lines.LastOrDefault() != "event: caught-up")
        {
            if (await curl.ReadLineAsync() is not { } line)
            {
                Assert.Fail($"The subscription ended after: {string.Join('\n', lines)}");
                break;
            }

            lines.Add(Time.Replace(line, "\"T\""));
        }

        curl.Kill();
        return lines;
    }

    /// <summary>What is beside the service: probes, metrics, and errors.</summary>
    private async Task AssertOtherAsync()
    {
        Call[] calls =
        [
            new("GET", "/healthz", "ok\n") { Key = null },
            new("GET", "/readyz", "ready\n") { Key = null },
            new("DELETE", "/v1/streams",
                """{"code":12,"message":"DELETE is not a method of this path.","details":[]}""") { Status = 501 },
            new("GET", "/v1/nothing", """{"code":5,"message":"There is nothing at this path.","details":[]}""")
            {
                Status = 404,
            },
            new("GET", "/v1/streams",
                """{"code":16,"message":"The call has no key that is known; send it as 'x-api-key'.","details":[]}""")
            {
                Key = null,
                Status = 401,
            },
        ];
        foreach (var call in calls)
        {
            Assert.Equal(
                (call.Name, call.Status.ToString(CultureInfo.InvariantCulture), call.Answer),
                (call.Name, await StatusAsync(call), await BodyAsync()));
        }

        Assert.Equal("200", await StatusAsync(new("GET", "/metrics", "")));
        Assert.Contains("ledger_streams_entries_appended_total", await BodyAsync(), StringComparison.Ordinal);
        Assert.Equal("401", await StatusAsync(new("GET", "/metrics", "") { Key = null }));
    }

    /// <summary>A call and its answer.</summary>
    /// <param name="Method">The method of HTTP.</param>
    /// <param name="Path">The path, as the description has it.</param>
    /// <param name="Answer">The body of the answer, its times as T; of a subscription the first event's.</param>
    private sealed record Call(string Method, string Path, string Answer)
    {
        public string Name => $"{Method} {Path}";

        public string Stream { get; init; } = "a%2Fb%3Ac";

        public string Query { get; init; } = "";

        public string? Body { get; init; }

        public string? Key { get; init; } = DaemonShell.Key;

        public int Status { get; init; } = 200;

        public string Target => Path
            .Replace("{stream}", Stream, StringComparison.Ordinal)
            .Replace("{name}", Stream, StringComparison.Ordinal)
            .Replace("{id}", "1", StringComparison.Ordinal) + Query;
    }
}
