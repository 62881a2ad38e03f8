using System.Collections.Concurrent;
using System.Globalization;
using Ledger.Rpc.Client;
using Xunit;

namespace Ledger.EndToEnd.Daemon;

/// <summary>The end of a daemon that appends over both protocols.</summary>
public sealed class LoadTests : IDisposable
{
    private const int Writers = 4;
    private const int Enough = 60;

    // Far beyond what anything here takes.
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(2);

    private readonly DaemonShell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Theory]
    [InlineData("TERM", 0)]
    [InlineData("KILL", 137)]
    public async Task What_was_acknowledged_over_either_protocol_is_there_after_the_end(string signal, int exitCode)
    {
        var acknowledged = new ConcurrentQueue<(string Id, string Payload)>();
        var (child, http) = await _shell.ForegroundAsync();
        using (child)
        using (http)
        using (var channel = new RpcChannel(
            "unix:" + _shell.Directory["grpc.sock"], new RpcChannelOptions { ApiKey = DaemonShell.Key }))
        {
            // One who follows must not hold up the end either.
            using var follower = await http.GetAsync(
                new Uri("/v1/streams/load/entries:subscribe", UriKind.Relative),
                HttpCompletionOption.ResponseHeadersRead);
            var overHttp = WriteAsync(acknowledged, "http", payload => DaemonShell.AppendAsync(http, payload));
            var overGrpc = WriteAsync(acknowledged, "grpc", payload => DaemonShell.AppendAsync(channel, payload));
            await Task.WhenAll(overHttp.Enough, overGrpc.Enough).WaitAsync(Hang);
            await child.SignalAsync(signal);
            var result = await child.EndAsync().WaitAsync(Hang);
            await Task.WhenAll(overHttp.End, overGrpc.End).WaitAsync(Hang);

            Assert.Equal(exitCode, result.ExitCode);
            Assert.DoesNotContain("cut off", result.Error, StringComparison.Ordinal);
        }

        await AssertThereAsync(acknowledged);
    }

    /// <summary>Appends with several writers until nothing is acknowledged any more.</summary>
    /// <returns>Done when there is load enough, and when all writers have ended.</returns>
    private static (Task Enough, Task End) WriteAsync(
        ConcurrentQueue<(string Id, string Payload)> acknowledged, string name, Func<string, Task<string?>> append)
    {
        var enough = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var count = 0;
        async Task RunAsync(int writer)
        {
            for (var number = 0; ; number++)
            {
                var payload = string.Create(CultureInfo.InvariantCulture, $"{name}-{writer}-{number}");
                if (await append(payload) is not { } id)
                {
                    return;
                }

                acknowledged.Enqueue((id, payload));
                if (Interlocked.Increment(ref count) == Enough)
                {
                    enough.SetResult();
                }
            }
        }

        var end = Task.WhenAll(Enumerable.Range(0, Writers).Select(RunAsync));
        return (Task.WhenAny(enough.Task, end), end);
    }

    /// <summary>A daemon that is started again has every entry under the id that was told.</summary>
    private async Task AssertThereAsync(ConcurrentQueue<(string Id, string Payload)> acknowledged)
    {
        var (child, http) = await _shell.ForegroundAsync();
        using (child)
        using (http)
        {
            var read = await _shell.DoAsync(
                "stream", "read", "--store", "orders", "--stream", "load", "--limit", "1000000");
            await child.SignalAsync("TERM");

            Assert.Equal(0, (await child.EndAsync()).ExitCode);
            Assert.InRange(acknowledged.Count, 2 * Enough, int.MaxValue);
            var there = read.Lines.Select(line => line.Split('\t')).ToDictionary(pair => pair[0], pair => pair[1]);
            Assert.All(acknowledged, one => Assert.Equal(one.Payload, there.GetValueOrDefault(one.Id)));
        }
    }
}
