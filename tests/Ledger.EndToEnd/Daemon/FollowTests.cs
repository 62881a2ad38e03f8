using System.Text.Json;
using Ledger.EndToEnd.Processes;
using Xunit;

namespace Ledger.EndToEnd.Daemon;

public sealed class FollowTests : IDisposable
{
    private readonly DaemonShell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task Who_follows_says_once_that_the_daemon_is_away_and_goes_on_when_it_is_back()
    {
        using var following = await StopUnderFollowerAsync();
        var (child, http) = await _shell.ForegroundAsync();
        using (child)
        using (http)
        {
            await _shell.DoAsync("stream", "append", "second");
            var line = await following.ReadLineAsync();
            var result = await following.EndAsync();

            Assert.Equal("2", JsonDocument.Parse(line!).RootElement.GetProperty("id").GetString());
            Assert.Equal(0, result.ExitCode);
            var address = "unix:" + _shell.Directory["grpc.sock"];
            Assert.Equal(
                $"ledger: waiting for the daemon at {address}, which is away; Ctrl-C ends.\n", result.Error);
        }
    }

    /// <summary>Starts somebody who follows, and stops the daemon.</summary>
    private async Task<Child> StopUnderFollowerAsync()
    {
        var (child, http) = await _shell.ForegroundAsync();
        using (child)
        using (http)
        {
            await _shell.DoAsync("stream", "append", "first");
            var following = Child.StartLedger(
                _shell.Directory.Path, "stream", "subscribe", "--limit", "2", "--json", "--config", _shell.ConfigPath);
            while (!(await following.ReadLineAsync())!.Contains("caught_up", StringComparison.Ordinal))
            {
                // What is there comes first.
            }

            await child.SignalAsync("TERM");
            await child.EndAsync();
            return following;
        }
    }
}
