using System.Net;
using Ledger.Conformance.Streams;
using Xunit;

namespace Ledger.EndToEnd.Daemon;

public sealed class DatabaseAwayTests : IDisposable
{
    private readonly DaemonShell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task A_daemon_whose_database_goes_says_so_and_works_again_when_it_is_back()
    {
        using var server = new PostgresServer(isDurable: true);
        _shell.Configure(
            $"""
            db:
              type: postgres
              postgres: {"{"} dsn: "{server.ConnectionString}" {"}"}
            """);
        var (child, http) = await _shell.ForegroundAsync();
        using (child)
        using (http)
        {
            var before = await DaemonShell.AppendAsync(http);
            var ready = await AskAsync(http, "/readyz");
            server.StopImmediately();
            var away = await Task.WhenAll(
                AskAsync(http, "/readyz"), AskAsync(http, "/healthz"), AskAsync(http, "/v1/streams"),
                AskAsync(http, "/v1/health"));
            var lost = await DaemonShell.AppendAsync(http);
            server.Start();
            var back = await AskAsync(http, "/readyz");
            var after = await DaemonShell.AppendAsync(http);
            await child.SignalAsync("TERM");
            var result = await child.EndAsync();

            Assert.Equal((0, HttpStatusCode.OK, HttpStatusCode.OK), (result.ExitCode, ready.Status, back.Status));
            Assert.Equal(
                [
                    HttpStatusCode.ServiceUnavailable, HttpStatusCode.OK, HttpStatusCode.ServiceUnavailable,
                    HttpStatusCode.OK,
                ],
                away.Select(answer => answer.Status));
            Assert.Equal("""{"status":"degraded"}""", away[3].Body);
            Assert.Equal(("1", null), (before, lost));
            Assert.NotNull(after);
            Assert.DoesNotContain("Password", result.Error + away[2].Body, StringComparison.OrdinalIgnoreCase);
        }
    }

    private static async Task<(HttpStatusCode Status, string Body)> AskAsync(HttpClient http, string path)
    {
        using var answer = await http.GetAsync(new Uri(path, UriKind.Relative));
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }
}
