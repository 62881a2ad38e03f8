using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Ledger.Conformance.Hooks;
using Ledger.EndToEnd.Processes;
using Ledger.Runtime;
using Ledger.Streams;
using Ledger.Streams.Sqlite;
using Xunit;

namespace Ledger.EndToEnd.Hooks;

/// <summary>R27 with a process that is killed: everything arrives, in order, and little of it twice.</summary>
public sealed class HookKillTests
{
    private const int Streams = 6;
    private const int Window = 4 * 5;

    private static int Kills => Environment.GetEnvironmentVariable("LEDGER_NIGHTLY") == "1" ? 60 : 4;

    [Fact]
    public async Task Killed_while_delivering_it_delivers_everything_in_order_and_at_most_what_was_out_twice()
    {
        var runtime = LedgerRuntime.CreateSystem();
        using var directory = new TestDirectory();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60 + (10 * Kills)));
        var random = new Random(7);
        var taken = new ConcurrentQueue<(string Stream, int Number)>();
        await using var endpoint = new HookEndpoint((request, _) =>
        {
            int chance;
            lock (random)
            {
                chance = random.Next(10);
            }

            if (chance > 0)
            {
                Read(request).ForEach(taken.Enqueue);
            }

            return new ValueTask<string?>(chance == 0 ? "500" : "200");
        });
        await using var store = new SqliteStreamStore(new() { DataSource = directory["app.db"], Store = "orders" });
        await store.EnsureCreatedAsync(limit.Token);

        var appended = 0;
        for (var kill = 0; kill <= Kills; kill++)
        {
            using var child = Child.Start(
                "Ledger.EndToEnd.dll", directory.Path, "hooks", directory["app.db"], endpoint.Url.ToString(),
                "http://127.0.0.1:9/");
            var before = taken.Count;
            for (var n = 0; n < 60; n++)
            {
                await store.AppendAsync(
                    $"s{appended % Streams}", new NewEntry(Encoding.ASCII.GetBytes($"{appended++}")),
                    cancellationToken: limit.Token);
            }

            var isLast = kill == Kills;
            while (isLast ? Distinct(taken) < appended : taken.Count < before + 20 + (kill * 7))
            {
                await runtime.Delay(TimeSpan.FromMilliseconds(1), limit.Token);
                Assert.False(child.HasExited);
            }

            child.Kill();
            await child.EndAsync();
        }

        foreach (var stream in taken.GroupBy(one => one.Stream))
        {
            var firsts = stream.Select(one => one.Number).Distinct().ToList();
            Assert.Equal(firsts.Order(), firsts);
        }

        Assert.Equal(appended, Distinct(taken));
        Assert.InRange(taken.Count - appended, 0, Kills * Window);
        Assert.All(await store.ListConsumersAsync(limit.Token), consumer => Assert.Empty(consumer.Parked));
    }

    private static int Distinct(ConcurrentQueue<(string Stream, int Number)> taken) =>
        taken.Select(one => one.Number).Distinct().Count();

    /// <summary>What a request has in it, once its signature is checked.</summary>
    private static List<(string Stream, int Number)> Read(HookRequest request)
    {
        byte[] signed =
        [
            .. Encoding.ASCII.GetBytes(
                $"{request.Headers["X-Ledger-Timestamp"]}.{request.Headers["X-Ledger-Delivery"]}."),
            .. request.Body,
        ];
        Assert.Equal(
            Convert.ToHexStringLower(HMACSHA256.HashData("secret"u8, signed)),
            request.Headers["X-Ledger-Signature-V2"]);
        using var json = JsonDocument.Parse(request.Body);
        var stream = json.RootElement.GetProperty("stream").GetString()!;
        return [.. json.RootElement.GetProperty("entries").EnumerateArray()
            .Select(entry => (stream, entry.GetProperty("payload").GetInt32()))];
    }
}
