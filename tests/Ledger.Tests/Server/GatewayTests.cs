using System.Net;
using System.Text;
using System.Text.Json;
using Ledger.Server.Gateway;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Ledger.Tests.Server;

public sealed class GatewayTests(DaemonFixture daemon) : IClassFixture<DaemonFixture>
{
    [Fact]
    public async Task Every_route_of_the_original_answers_as_its_gateway_does()
    {
        var stream = "/v1/streams/a%2Fb%3Ac";
        Task<(int Status, JsonElement Body)> SendAsync(string method, string target, string? body = null) =>
            daemon.SendAsync(method, target, body, store: "routes");
        var append = await SendAsync(
            "POST", stream + "/entries",
            """
            {"entries":[{"payload":"aGk=","order_key":"o","metadata":{"k":"v"},"tags":["t"]},
                {"payload":"","schemaVersion":"3"}]}
            """);
        var read = await SendAsync("GET", stream + "/entries?options.metadata_filters[k]=v&options.limit=1");
        var count = await SendAsync("GET", stream + "/entries:count");
        var tags = await SendAsync("PUT", stream + "/entries/1/tags", """{"tags":["x","y"]}""");
        var annotations = await SendAsync(
            "PATCH", stream + "/entries/1/annotations", """{"set":{"a":"1","b":"2"},"delete":["b"]}""");
        var changed = await SendAsync("GET", stream + "/entries");
        var search = await SendAsync("POST", "/v1/streams//entries:search", """{"query":"HI"}""");
        var stat = await SendAsync("GET", stream + ":stat");
        var trim = await SendAsync("POST", stream + "/entries:trim", """{"before_id":"1"}""");
        var rename = await SendAsync("POST", stream + ":rename", """{"newName":"other"}""");
        var list = await SendAsync("GET", "/v1/streams?limit=5");
        var health = await daemon.SendAsync("GET", "/v1/health", key: null, store: null);

        Assert.Equal(["1", "2"], append.Body.GetProperty("ids").EnumerateArray().Select(id => id.GetString()));
        Assert.Equal(
            """{"id":"1","stream":"a/b:c","payload":"aGk=","orderKey":"o","dedupKey":"","schemaVersion":"1","m""" +
            """etadata":{"k":"v"},"tags":["t"],"annotations":{},"createdAt":"T","updatedAt":null,"position":"1",""" +
            "\"sourceId\":\"\"}",
            WithoutTimes(Assert.Single(read.Body.GetProperty("entries").EnumerateArray())));
        Assert.Equal("""{"count":"2"}""", count.Body.GetRawText());
        Assert.Equal(("{}", "{}"), (tags.Body.GetRawText(), annotations.Body.GetRawText()));
        var first = changed.Body.GetProperty("entries")[0];
        Assert.Equal("""["x","y"]""", first.GetProperty("tags").GetRawText());
        Assert.Equal("""{"a":"1"}""", first.GetProperty("annotations").GetRawText());
        Assert.Equal(JsonValueKind.String, first.GetProperty("updatedAt").ValueKind);
        Assert.Equal("a/b:c", Assert.Single(search.Body.GetProperty("entries").EnumerateArray())
            .GetProperty("stream").GetString());
        Assert.Equal(
            """{"stream":"a/b:c","count":"2","firstId":"1","lastId":"2","end":"2"}""", stat.Body.GetRawText());
        Assert.Equal("""{"deleted":"1"}""", trim.Body.GetRawText());
        Assert.Equal("{}", rename.Body.GetRawText());
        Assert.Contains("other", list.Body.GetProperty("streamIds").EnumerateArray().Select(name => name.GetString()));
        Assert.Equal("""{"status":"ok"}""", health.Body.GetRawText());
    }

    [Theory]
    [InlineData("GET", "/v1/nope", null, 404, 5)]
    [InlineData("DELETE", "/v1/streams", null, 501, 12)]
    [InlineData("POST", "/v1/streams/s/entries", "{", 400, 3)]
    [InlineData("POST", "/v1/streams/s/entries", "[]", 400, 3)]
    [InlineData("POST", "/v1/streams/s/entries", """{"entries":[{"payload":"%"}]}""", 400, 3)]
    [InlineData("GET", "/v1/streams/s/entries?options.limit=x", null, 400, 3)]
    [InlineData("GET", "/v1/streams/s/entries?options.after=x", null, 400, 3)]
    [InlineData("GET", "/v1/streams/%zz/entries", null, 400, 3)]
    [InlineData("GET", "/v1/streams//entries", null, 400, 3)]
    [InlineData("PUT", "/v1/streams/s/entries/999/tags", """{"tags":[]}""", 404, 5)]
    [InlineData("POST", "/v1/streams/never:rename", """{"new_name":"x"}""", 404, 5)]
    public async Task Errors_are_code_message_and_details_with_the_usual_status(
        string method, string target, string? body, int status, int code)
    {
        var answer = await daemon.SendAsync(method, target, body);

        Assert.Equal(["code", "message", "details"], answer.Body.EnumerateObject().Select(member => member.Name));
        Assert.Equal((status, code), (answer.Status, answer.Body.GetProperty("code").GetInt32()));
        Assert.EndsWith(".", answer.Body.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_rename_to_a_stream_that_is_there_conflicts_and_a_missing_store_is_the_callers_mistake()
    {
        await daemon.SendAsync("POST", "/v1/streams/taken/entries", """{"entries":[{"payload":"aA=="}]}""");

        var conflict = await daemon.SendAsync("POST", "/v1/streams/taken:rename", """{"new_name":"taken"}""");
        var exists = await daemon.SendAsync("POST", "/v1/streams/never:rename", """{"new_name":"taken"}""");
        var missing = await daemon.SendAsync("GET", "/v1/streams", store: null);

        Assert.Equal((200, 409, 400), (conflict.Status, exists.Status, missing.Status));
        Assert.Equal("stream_exists", exists.Body.GetProperty("details")[0].GetProperty("kind").GetString());
    }

    [Fact]
    public async Task A_body_at_the_limit_is_read_and_a_larger_one_is_not()
    {
        string Entry(int size) => $$"""{"entries":[{"payload":"{{new string('A', size - 31)}}"}]}""";

        var fits = await daemon.SendAsync("POST", "/v1/streams/large/entries", Entry(60_000 / 4 * 4 + 31));
        var exceeds = await daemon.SendAsync("POST", "/v1/streams/large/entries", Entry((65_536 / 2 * 3) + 4));

        Assert.Equal((200, 413), (fits.Status, exceeds.Status));
    }

    [Fact]
    public async Task A_subscription_sends_what_is_there_then_what_comes_and_goes_on_after_the_last_event()
    {
        await daemon.SendAsync("POST", "/v1/streams/live/entries", """{"entries":[{"payload":"MQ=="}]}""");

        using var answer = await OpenAsync("/v1/streams/live/entries:subscribe", null);
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync());
        var first = await EventAsync(reader);
        var caughtUp = await EventAsync(reader);
        await daemon.SendAsync("POST", "/v1/streams/live/entries", """{"entries":[{"payload":"Mg=="}]}""");
        var second = await EventAsync(reader);
        using var again = await OpenAsync("/v1/streams/live/entries:subscribe", first["id"]);
        using var later = new StreamReader(await again.Content.ReadAsStreamAsync());

        Assert.Equal("text/event-stream", answer.Content.Headers.ContentType!.MediaType);
        Assert.Contains("\"payload\":\"MQ==\"", first["data"], StringComparison.Ordinal);
        Assert.Equal("caught-up", caughtUp["event"]);
        Assert.Contains("\"payload\":\"Mg==\"", second["data"], StringComparison.Ordinal);
        Assert.Equal(second["id"], (await EventAsync(later))["id"]);
    }

    [Fact]
    public async Task A_wrong_subscription_is_a_proper_error()
    {
        using var answer = await OpenAsync("/v1/streams/live/entries:subscribe?after=x", null);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Equal("application/json", answer.Content.Headers.ContentType!.MediaType);
    }

    [Fact]
    public async Task The_description_names_every_route_and_every_message_that_it_uses()
    {
        var (status, document) = await daemon.SendAsync("GET", "/openapi.json");

        var paths = document.GetProperty("paths").EnumerateObject().ToList();
        var schemas = document.GetProperty("components").GetProperty("schemas").EnumerateObject()
            .Select(schema => schema.Name).ToHashSet();
        Assert.Equal(200, status);
        Assert.Equal(13, paths.Sum(path => path.Value.EnumerateObject().Count()));
        Assert.All(
            document.GetRawText().Split("#/components/schemas/").Skip(1).Select(rest => rest.Split('"')[0]),
            name => Assert.Contains(name, schemas));
    }

    private async Task<HttpResponseMessage> OpenAsync(string target, string? lastEvent)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(target, UriKind.Relative));
        request.Headers.Add("x-api-key", DaemonFixture.SharedKey);
        request.Headers.Add("x-ledger-store", "orders");
        if (lastEvent is not null)
        {
            request.Headers.Add("Last-Event-ID", lastEvent);
        }

        return await daemon.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }

    private static async Task<Dictionary<string, string>> EventAsync(StreamReader reader)
    {
        var members = new Dictionary<string, string>();
        while (await reader.ReadLineAsync() is { } line && (line.Length > 0 || members.Count == 0))
        {
            var (name, value) = line.Split(": ", 2) is [var left, var right] ? (left, right) : (line, "");
            members[name] = value;
        }

        // Checkpoints come when they come.
        return members.GetValueOrDefault("event") == "checkpoint" ? await EventAsync(reader) : members;
    }

    private static string WithoutTimes(JsonElement entry) => entry.GetRawText().Replace(
        entry.GetProperty("createdAt").GetString()!, "T", StringComparison.Ordinal);

    [Theory]
    [InlineData("+/8=")]
    [InlineData("+/8")]
    [InlineData("-_8=")]
    [InlineData("-_8")]
    public async Task Bytes_are_taken_in_every_form_that_the_mapping_has(string payload)
    {
        var target = $"/v1/streams/bytes{payload.Length}{(payload[0] == '-' ? 'u' : 's')}/entries";
        var append = await daemon.SendAsync("POST", target, $$"""{"entries":[{"payload":"{{payload}}"}]}""");
        var read = await daemon.SendAsync("GET", target + "?options.desc=T");

        Assert.Equal((200, 200), (append.Status, read.Status));
        Assert.Equal("+/8=", read.Body.GetProperty("entries")[0].GetProperty("payload").GetString());
    }

    [Fact]
    public async Task A_quiet_subscription_has_comments_in_it()
    {
        using var body = new MemoryStream();
        var context = new DefaultHttpContext { Response = { Body = body } };
        var next = new TaskCompletionSource<bool>();
        var waiting = HttpGateway.WaitAsync(context, next.Task, TimeSpan.FromMilliseconds(1));
        while (body.Length < 12)
        {
            await Task.Yield();
        }

        next.SetResult(true);

        Assert.True(await waiting);
        Assert.StartsWith(":\n\n:\n\n", Encoding.UTF8.GetString(body.ToArray()), StringComparison.Ordinal);
    }
}
