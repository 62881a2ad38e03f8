using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Ledger.EndToEnd.Processes;
using Ledger.Objects;
using Ledger.Rpc;
using Ledger.Rpc.Client;
using Ledger.Streams;
using Xunit;

namespace Ledger.EndToEnd.Daemon;

/// <summary>A daemon whose files may not grow: the one way to have no room that needs no rights.</summary>
public sealed class FullDiskTests : IDisposable
{
    private const int PayloadBytes = 8 << 10;
    private const int AppendsMax = 1_000;

    private readonly DaemonShell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task An_append_without_room_says_so_loses_nothing_and_works_when_there_is_some_again()
    {
        // A file that may not grow is told by a signal too, which would end the process.
        var (child, http) = await _shell.ForegroundAsync("trap '' XFSZ");
        var acknowledged = new List<string>();
        using (child)
        using (http)
        {
            using var channel = new RpcChannel(
                "unix:" + _shell.Directory["grpc.sock"], new RpcChannelOptions { ApiKey = DaemonShell.Key });
            await using var store = await RemoteStreamStore.OpenAsync(channel, "orders");
            acknowledged.Add(await AppendAsync(store));
            await LimitAsync(child, new FileInfo(_shell.Directory["ledger.db-wal"]).Length + (16 * PayloadBytes));

            var full = await UntilFullAsync(store, acknowledged);
            var status = await Assert.ThrowsAsync<RpcException>(() => channel.UnaryAsync(
                LedgerMethods.Append, WireEntries.Of(new StreamAppend("s", [New()])),
                RpcCallOptions.OfStore("orders"), default));
            var (code, text) = await PostAsync(http);
            var command = await _shell.FailAsync(
                5, "stream", "append", "-s", "orders", "-S", "s", "--file", WritePayload());
            var readWhileFull = await store.ReadAllAsync().Select(entry => entry.Id.ToString()).ToListAsync();
            await LimitAsync(child, null);
            acknowledged.Add(await AppendAsync(store));
            child.Kill();
            await child.EndAsync();

            const string sentence = "The disk of the store 'orders' is full: nothing was written. " +
                "Free some space there and send it again.";
            Assert.Equal((StoreUnavailableReason.DiskFull, sentence), (full.Reason, full.Message));
            Assert.Equal((RpcCode.ResourceExhausted, sentence), (status.Code, status.Message));
            Assert.Equal(HttpStatusCode.InsufficientStorage, code);
            using var json = JsonDocument.Parse(text);
            Assert.Equal(sentence, json.RootElement.GetProperty("message").GetString());
            Assert.Contains(sentence, command, StringComparison.Ordinal);
            Assert.Equal(acknowledged[..^1], readWhileFull);
        }

        var read = await _shell.DoAsync(
            "stream", "read", "--db", $"sqlite:{_shell.Directory["ledger.db"]}", "--store", "orders", "--stream", "s",
            "--limit", "2000");
        Assert.Equal(acknowledged, read.Lines.Select(line => line.Split('\t')[0]));
    }

    private static NewEntry New() => new(new byte[PayloadBytes]);

    private static async Task<string> AppendAsync(RemoteStreamStore store) =>
        (await store.AppendAsync("s", New())).Entries[0].Id.ToString();

    private static async Task<StoreUnavailableException> UntilFullAsync(
        RemoteStreamStore store, List<string> acknowledged)
    {
        for (var n = 0; n < AppendsMax; n++)
        {
            try
            {
                acknowledged.Add(await AppendAsync(store));
            }
            catch (StoreUnavailableException full)
            {
                return full;
            }
        }

        throw new InvalidOperationException($"{AppendsMax} appends found room.");
    }

    private static async Task<(HttpStatusCode Code, string Text)> PostAsync(HttpClient http)
    {
        var body = $$"""{"entries":[{"payload":"{{Convert.ToBase64String(new byte[PayloadBytes])}}"}]}""";
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var answer = await http.PostAsync(new Uri("/v1/streams/s/entries", UriKind.Relative), content);
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    private static async Task LimitAsync(Child child, long? bytes)
    {
        var soft = bytes?.ToString(CultureInfo.InvariantCulture) ?? "unlimited";
        using var prlimit = Child.StartProgram(
            "prlimit", Path.GetTempPath(),
            ["--pid", child.Id.ToString(CultureInfo.InvariantCulture), $"--fsize={soft}:unlimited"]);
        var result = await prlimit.EndAsync();
        Assert.True(result.ExitCode == 0, result.Error);
    }

    private string WritePayload()
    {
        var path = _shell.Directory["payload"];
        File.WriteAllBytes(path, new byte[PayloadBytes]);
        return path;
    }
}
