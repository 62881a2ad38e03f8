using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Ledger.Conformance.Hooks;
using Ledger.Server.Hooks;
using Ledger.Streams;
using Xunit;

namespace Ledger.Tests.Hooks;

/// <summary>R27: each entry at least once, in its stream's order, signed, whatever the endpoint does.</summary>
public sealed class HookDeliveryTests
{
    [Fact]
    public async Task A_request_is_what_the_receivers_of_the_original_read_and_is_signed_twice()
    {
        await using var test = new HookTest();
        await test.Store.AppendAsync("user-1", new NewEntry("""{"b": 1, "a": "<é>"}"""u8.ToArray())
        {
            OrderKey = "o",
            DedupKey = "d",
            SchemaVersion = 3,
            Metadata = new Dictionary<string, string> { ["m"] = "1" },
            Tags = ["t"],
        });
        await test.Store.AppendAsync("user-1", new NewEntry(new byte[] { 0xFF, 0x00 }));

        await test.Host.ReplaceAsync([test.Hook with { SecondSecret = "canary-other" }]);
        await test.UntilAsync(() => test.Status.Delivered == 2);

        var request = Assert.Single(test.Requests);
        var entries = await test.Store.ReadAllAsync().ToListAsync();
        Assert.Equal(
            """{"stream":"user-1","entries":[{"id":"1","payload":{"b": 1, "a": "<é>"},"order_key":"o" """.TrimEnd() +
            ""","dedup_key":"d","schema_version":3,"metadata":{"m":"1"},"tags":["t"],""" +
            $$"""
            "created_at":"{{TimeOf(entries[0])}}"},
            """ +
            $$"""
            {"id":"2","payload_base64":"/wA=","schema_version":1,"created_at":"{{TimeOf(entries[1])}}"}]}
            """,
            Encoding.UTF8.GetString(request.Body));
        var (timestamp, delivery) = (request.Headers["X-Ledger-Timestamp"], request.Headers["X-Ledger-Delivery"]);
        Assert.InRange(DateTimeOffset.UtcNow.ToUnixTimeSeconds() - long.Parse(timestamp), 0, 60);
        Assert.Equal(Hmac("canary-secret", request.Body), request.Headers["X-Ledger-Signature"]);
        byte[] signed = [.. Encoding.ASCII.GetBytes($"{timestamp}.{delivery}."), .. request.Body];
        Assert.Equal(
            $"{Hmac("canary-secret", signed)},{Hmac("canary-other", signed)}",
            request.Headers["X-Ledger-Signature-V2"]);
        Assert.Equal("application/json", request.Headers["Content-Type"]);
        Assert.DoesNotContain("canary", string.Join('\n', request.Headers.Values), StringComparison.Ordinal);
        AssertVerifies(request);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task An_endpoint_that_fails_at_random_gets_every_entry_in_the_order_of_its_stream(int seed)
    {
        var random = new Random(seed);
        string?[] answers = ["200", "200", "204", "500", "408", "425", "429", "502", "503", "504", null];
        var taken = new ConcurrentQueue<(string Stream, int Number)>();
        await using var test = new HookTest((request, _) =>
        {
            string? answer;
            lock (random)
            {
                answer = answers[random.Next(answers.Length)];
            }

            if (answer is "200" or "204")
            {
                var (stream, payloads) = HookTest.Read(request);
                Array.ForEach(payloads, one => taken.Enqueue((stream, int.Parse(one, CultureInfo.InvariantCulture))));
            }

            return answer;
        });
        await test.Host.ReplaceAsync([test.Hook with { MaxRetries = 1_000 }]);

        for (var n = 0; n < 120; n++)
        {
            await test.AppendAsync($"s{n % 7}", n.ToString(CultureInfo.InvariantCulture));
        }

        await test.UntilAsync(() => test.Status.Delivered >= 120);

        foreach (var stream in taken.GroupBy(one => one.Stream))
        {
            var numbers = stream.Select(one => one.Number).ToList();
            Assert.True(numbers.SequenceEqual(numbers.Order()), $"Seed {seed}: {string.Join(' ', numbers)}.");
        }

        Assert.True(taken.Select(one => one.Number).Distinct().Count() == 120, $"Seed {seed}: some are missing.");
    }

    [Fact]
    public async Task What_is_refused_or_fails_too_often_is_parked_alone_and_can_be_replayed()
    {
        var isMended = false;
        await using var test = new HookTest((request, _) =>
        {
            var payloads = HookTest.Read(request).Payloads;
            return isMended ? "200" : payloads.Contains("2") ? "400" : payloads.Contains("4") ? "500" : "200";
        });
        await test.AppendAsync("s", "1", "2", "3", "4", "5");

        await test.Host.ReplaceAsync([test.Hook with { MaxRetries = 3 }]);
        await test.UntilAsync(() => test.Status is { Delivered: 3, Parked: 2 });

        var parked = (await test.Store.ListConsumersAsync()).Single().Parked;
        Assert.Equal(["2 1 400", "4 3 500"], parked.Select(one => $"{one.Id} {one.Attempts} {one.Error[^4..^1]}"));
        Assert.Equal(["1", "3", "5"], TakenBy(test, payload => payload is not ("2" or "4")));
        var before = test.Requests.Count;
        isMended = true;
        foreach (var one in parked)
        {
            Assert.True(await test.Store.ReleaseParkedAsync("hook:h", one.Position, retry: true));
        }

        await test.UntilAsync(() => test.Status is { Delivered: 5, Parked: 0 });
        Assert.Equal(["2", "4"], test.Requests.Skip(before).SelectMany(one => HookTest.Read(one).Payloads).Order());
    }

    [Fact]
    public async Task An_entry_that_takes_its_endpoint_down_is_parked_when_others_are_taken()
    {
        await using var test = new HookTest(
            (request, _) => HookTest.Read(request).Payloads.Contains("666") ? "502" : "200");
        await test.AppendAsync("bad", "1", "666", "2");
        await test.Host.ReplaceAsync([test.Hook with { MaxRetries = 2 }]);

        var n = 10;
        while (test.Status.Parked == 0)
        {
            var before = test.Status.Delivered;
            await test.AppendAsync("good", (++n).ToString(CultureInfo.InvariantCulture));
            await test.UntilAsync(() => test.Status.Delivered > before || test.Status.Parked > 0);
        }

        await test.UntilAsync(() => test.Status.Delivered == 2 + n - 10);
        var parked = Assert.Single((await test.Store.ListConsumersAsync()).Single().Parked);
        Assert.Equal(("bad", new EntryId(2)), (parked.Stream, parked.Id));
    }

    [Fact]
    public async Task A_dead_endpoint_parks_nothing_and_delays_no_other_hook_and_gets_all_when_it_is_back()
    {
        await using var test = new HookTest();
        int port;
        await using (var gone = new HookEndpoint((_, _) => new("200")))
        {
            port = gone.Port;
        }

        var dead = test.Hook with { Name = "dead", Url = new Uri($"http://127.0.0.1:{port}/"), MaxRetries = 1 };
        await test.Host.ReplaceAsync([test.Hook, dead]);
        for (var n = 0; n < 50; n++)
        {
            await test.AppendAsync($"s{n % 5}", $"{n}");
        }

        await test.UntilAsync(() => test.Host.Status[1].Delivered == 50 && test.Host.Status[0].Failures > 3);
        var status = test.Host.Status[0];
        Assert.Equal((0, 0L), (status.Parked, status.Delivered));
        Assert.Contains("No connection", status.LastError, StringComparison.Ordinal);
        Assert.True(status.Lag > TimeSpan.Zero && status.Pending == 50);

        await using var back = new HookEndpoint((_, _) => new("200"), port);
        await test.UntilAsync(() => test.Host.Status[0].Delivered == 50);
        Assert.Equal(0, test.Host.Status[0].Parked);
    }

    [Fact]
    public async Task A_slow_answer_holds_its_stream_and_nothing_else()
    {
        var slow = new TaskCompletionSource();
        var taken = new ConcurrentQueue<string>();
        await using var endpoint = new HookEndpoint(async (request, token) =>
        {
            var (stream, payloads) = HookTest.Read(request);
            if (stream == "slow")
            {
                await slow.Task.WaitAsync(token);
            }

            Array.ForEach(payloads, taken.Enqueue);
            return "200";
        });
        await using var test = new HookTest();
        await test.AppendAsync("slow", "1");
        await test.Host.ReplaceAsync([test.Hook with { Url = endpoint.Url }]);
        await test.UntilAsync(() => endpoint.Connections > 0);

        await test.AppendAsync("slow", "2");
        for (var n = 10; n < 40; n++)
        {
            await test.AppendAsync($"s{n}", $"{n}");
        }

        await test.UntilAsync(() => taken.Count == 30);
        Assert.DoesNotContain("2", taken);
        slow.SetResult();
        await test.UntilAsync(() => taken.Count == 32);
        Assert.Equal(["1", "2"], taken.TakeLast(2));
    }

    [Fact]
    public async Task No_answer_in_time_is_tried_again()
    {
        await using var endpoint = new HookEndpoint(async (request, token) =>
        {
            if (HookTest.Read(request).Payloads.Length == 1)
            {
                await new TaskCompletionSource().Task.WaitAsync(token);
            }

            return "200";
        });
        await using var test = new HookTest();
        await test.AppendAsync("s", "1");
        await test.Host.ReplaceAsync(
            [test.Hook with { Url = endpoint.Url, Timeout = TimeSpan.FromMilliseconds(100), MaxRetries = 1 }]);
        await test.UntilAsync(() => test.Status.Failures > 0);

        Assert.Equal("No answer within 0.1 s.", test.Status.LastError);
        await test.AppendAsync("s", "2");
        await test.UntilAsync(() => test.Status.Delivered == 2);
        Assert.Equal(0, test.Status.Parked);
    }

    [Theory]
    [InlineData("429")]
    [InlineData("503")]
    public async Task An_overloaded_endpoint_is_left_alone_for_as_long_as_it_asks(string status)
    {
        await using var test = new HookTest((_, count) => count == 1 ? status + "\r\nRetry-After: 1" : "200");
        await test.AppendAsync("a", "1");
        await test.Host.ReplaceAsync([test.Hook with { MaxRetries = 1 }]);

        // Until the answer was read, another stream may be sent.
        await test.UntilAsync(() => test.Status.Failures == 1);

        await test.AppendAsync("b", "2");
        await test.UntilAsync(() => test.Status.Delivered == 2);

        Assert.InRange((test.Requests[1].At - test.Requests[0].At).TotalSeconds, 0.99, 30);
        Assert.Equal(0, test.Status.Parked);
    }

    [Theory]
    [InlineData("429")]
    [InlineData("500")]
    public async Task What_is_asked_for_may_be_a_moment_and_an_attempt_that_failed_waits_for_it_too(string status)
    {
        // Dates have whole seconds: this one is more than one away, and as exact as what is compared with it.
        var moment = DateTimeOffset.FromUnixTimeSeconds(DateTimeOffset.UtcNow.ToUnixTimeSeconds() + 3);
        await using var test = new HookTest((_, count) => count == 1 ? $"{status}\r\nRetry-After: {moment:R}" : "200");
        await test.AppendAsync("a", "1");
        await test.Host.ReplaceAsync([test.Hook]);

        await test.UntilAsync(() => test.Status.Delivered == 1);

        Assert.Equal(2, test.Requests.Count);
        Assert.InRange((test.Requests[1].At - moment).TotalSeconds, -0.01, 60);
        Assert.Equal(0, test.Status.Parked);
    }

    [Fact]
    public async Task A_redirect_is_not_followed_and_is_a_refusal()
    {
        await using var other = new HookEndpoint((_, _) => new("200"));
        await using var test = new HookTest((_, _) => $"307\r\nLocation: {other.Url}");
        await test.AppendAsync("s", "1");

        await test.Host.ReplaceAsync([test.Hook]);
        await test.UntilAsync(() => test.Status.Parked == 1);

        Assert.Equal("The endpoint answered 307, and redirects are not followed.", test.Status.LastError);
        Assert.Equal((0, 1), (other.Connections, test.Requests.Count));
    }

    [Fact]
    public async Task Entries_that_come_while_a_request_is_out_go_together_within_the_bounds()
    {
        var first = new TaskCompletionSource();
        var sizes = new ConcurrentQueue<int>();
        await using var endpoint = new HookEndpoint(async (request, token) =>
        {
            sizes.Enqueue(HookTest.Read(request).Payloads.Length);
            await first.Task.WaitAsync(token);
            return "200";
        });
        await using var test = new HookTest(plan: HookTest.Quick with { BatchEntriesMax = 5, BatchBytesMax = 40 });
        await test.Host.ReplaceAsync([test.Hook with { Url = endpoint.Url }]);
        await test.AppendAsync("s", "0");
        await test.UntilAsync(() => sizes.Count == 1);

        await test.AppendAsync("s", [.. Enumerable.Range(1, 7).Select(n => $"{n}")]);
        await test.AppendAsync("s", [.. Enumerable.Range(0, 3).Select(n => $"\"{new string('x', 22)}\"")]);
        first.SetResult();
        await test.UntilAsync(() => test.Status.Delivered == 11);

        // By count; by bytes, of which two small ones and one of 24 are 26; each large one alone.
        Assert.Equal([1, 5, 3, 1, 1], sizes);
    }

    [Fact]
    public async Task A_hook_of_one_stream_posts_no_other()
    {
        await using var test = new HookTest();
        await test.AppendAsync("a", "1");
        await test.AppendAsync("b", "2");

        await test.Host.ReplaceAsync([test.Hook with { Stream = "b" }]);
        await test.UntilAsync(() => test.Status.Delivered == 1);

        Assert.Equal("b", HookTest.Read(Assert.Single(test.Requests)).Stream);
    }

    private static string[] TakenBy(HookTest test, Func<string, bool> isWanted) =>
        [.. test.Requests.Select(HookTest.Read).Where(one => one.Payloads.All(isWanted))
            .SelectMany(one => one.Payloads)];

    private static string Hmac(string secret, byte[] content) => string.Concat(
        new HMACSHA256(Encoding.UTF8.GetBytes(secret)).ComputeHash(content)
            .Select(one => one.ToString("x2", CultureInfo.InvariantCulture)));

    private static string TimeOf(Entry entry) =>
        entry.CreatedAt.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.FFFFFFF", CultureInfo.InvariantCulture) + "Z";

    private static void AssertVerifies(HookRequest request)
    {
        bool Verify(string secret, int minutes, byte[] body) => HookSignature.Verify(
            secret, request.Headers["X-Ledger-Timestamp"], request.Headers["X-Ledger-Delivery"],
            request.Headers["X-Ledger-Signature-V2"], body, DateTimeOffset.UtcNow.AddMinutes(minutes));

        Assert.True(Verify("canary-secret", 0, request.Body));
        Assert.True(Verify("canary-other", 0, request.Body));
        Assert.False(Verify("another", 0, request.Body));
        Assert.False(Verify("canary-secret", 6, request.Body));
        Assert.False(Verify("canary-secret", -6, request.Body));
        Assert.False(Verify("canary-secret", 0, [.. request.Body, 0]));
    }
}
