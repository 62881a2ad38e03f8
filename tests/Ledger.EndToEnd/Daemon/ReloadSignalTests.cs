using System.Globalization;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Ledger.Runtime;
using Ledger.Server.Identities;
using Ledger.Tests.Rpc;
using Xunit;

namespace Ledger.EndToEnd.Daemon;

/// <summary>SIGHUP: all that a configuration says is in force afterwards, or nothing of it.</summary>
public sealed class ReloadSignalTests : IDisposable
{
    private const string Taken = "The configuration was read again.";
    private const string Refused = "The configuration was not taken over";
    private const string WorkerKey = "key-of-the-worker";

    // Far beyond what anything here takes.
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(2);

    private readonly DaemonShell _shell = new();
    private readonly LedgerRuntime _runtime = LedgerRuntime.CreateSystem();
    private readonly X509Certificate2 _authority =
        TestCertificates.Make("CN=authority", null);

    public void Dispose()
    {
        _authority.Dispose();
        _shell.Dispose();
    }

    [Fact]
    public async Task SIGHUP_takes_all_of_a_good_configuration_over_and_nothing_of_one_that_cannot_be_used()
    {
        (string What, string Sentence, Action Write)[] refused =
        [
            ("a key that is none", "'nonsense' is not a key", () => Write(2, "nonsense: 1")),
            ("a key that takes a restart",
                "'limits.connections' (config.yaml line 7) was changed, which takes a restart",
                () => Write(2, "limits: { connections: 7 }")),
            ("a hook that cannot be used", "would post in clear text",
                () => Write(2, "hooks: [{ name: h, store: orders, url: 'http://example.com/' }]")),
            ("a hook that cannot be started", "'hooks': ",
                () => Write(2, "hooks: [{ name: h, store: orders, url: 'https://example.com/', ca: none.pem }]")),
            ("a certificate that is none", "'tls.cert': the file ",
                () => Write(2, "", certificate: "This is no certificate.")),
            ("an address that would be exposed", "'listen' is :0, which other machines can reach, and anybody may call",
                () => Write(2, "", hasKeys: false)),
        ];
        Write(0, "");
        var (child, http) = await _shell.ForegroundAsync();
        using (child)
        using (http)
        {
            var port = http.BaseAddress!.Port;
            await AssertInForceAsync(port, 0, "the start");
            Write(1, "");
            await child.SignalAsync("HUP");
            await LineAsync(Taken, 1);
            await AssertInForceAsync(port, 1, "a good one");

            for (var count = 0; count < refused.Length; count++)
            {
                var (what, sentence, write) = refused[count];
                write();
                await child.SignalAsync("HUP");
                Assert.Contains(sentence, await LineAsync(Refused, count + 1), StringComparison.Ordinal);
                await AssertInForceAsync(port, 1, what);
            }

            Write(2, "");
            await child.SignalAsync("HUP");
            await LineAsync(Taken, 2);
            await AssertInForceAsync(port, 2, "a good one after bad ones");
            await child.SignalAsync("TERM");

            Assert.Equal(0, (await child.EndAsync()).ExitCode);
        }
    }

    private static string KeyOf(int version) => $"key-{version}";

    private static Rights RightsOf(int version) => version % 2 == 0 ? Rights.Read : Rights.Append;

    private static byte SerialOf(int version) => (byte)(version + 1);

    /// <summary>Writes a version of everything that a reload takes over: a key, rights and a certificate.</summary>
    private void Write(int version, string more, string? certificate = null, bool hasKeys = true)
    {
        using var own = TestCertificates.Make("CN=localhost", _authority, serial: SerialOf(version));
        _shell.Directory.Write("own.pem", certificate ?? own.ExportCertificatePem());
        _shell.Directory.Write("own-key.pem", own.GetRSAPrivateKey()!.ExportPkcs8PrivateKeyPem());
        KeyFile.Save(_shell.Directory["keys.yaml"], !hasKeys ? [] :
        [
            new("worker", ApiKey.DigestOf(WorkerKey), DateTimeOffset.UnixEpoch, RightsOf(version)),
        ]);
        _shell.Configure(
            $$"""
            log_file: daemon.log
            log_level: info
            tls: { cert: own.pem, key: own-key.pem }
            """ + "\n" + more,
            key: hasKeys ? KeyOf(version) : "''", listen: ":0");
    }

    /// <summary>Waits until the log has so many lines of a kind.</summary>
    /// <returns>The last of them.</returns>
    private async Task<string> LineAsync(string begin, int count)
    {
        using var late = new CancellationTokenSource(Hang);
        while (true)
        {
            using var file = new FileStream(
                _shell.Directory["daemon.log"], FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using var reader = new StreamReader(file);
            var text = await reader.ReadToEndAsync(late.Token);
            var lines = text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(line => JsonDocument.Parse(line).RootElement.GetProperty("message").GetString()!)
                .Where(message => message.StartsWith(begin, StringComparison.Ordinal)).ToList();
            if (lines.Count >= count)
            {
                return lines[count - 1];
            }

            await _runtime.Delay(TimeSpan.FromMilliseconds(5), late.Token);
        }
    }

    /// <summary>The key, the rights and the certificate of one version hold, and no other's.</summary>
    private static async Task AssertInForceAsync(int port, int version, string after)
    {
        var serial = "";
        using var http = new HttpClient(new SocketsHttpHandler
        {
            SslOptions = new()
            {
                RemoteCertificateValidationCallback = (_, given, _, _) =>
                {
                    serial = given!.GetSerialNumberString();
                    return given.Issuer == "CN=authority";
                },
            },
        })
        {
            BaseAddress = new Uri(string.Create(CultureInfo.InvariantCulture, $"https://127.0.0.1:{port}")),
        };
        async Task<HttpStatusCode> AskAsync(HttpMethod method, string target, string key)
        {
            using var request = new HttpRequestMessage(method, new Uri(target, UriKind.Relative));
            request.Headers.Add("x-api-key", key);
            request.Headers.Add("x-ledger-store", "orders");
            request.Content = method == HttpMethod.Post
                ? new StringContent("""{"entries":[{"payload":"MQ=="}]}""", Encoding.UTF8, "application/json") : null;
            using var answer = await http.SendAsync(request);
            return answer.StatusCode;
        }

        var keys = new List<HttpStatusCode>();
        for (var other = 0; other <= 2; other++)
        {
            keys.Add(await AskAsync(HttpMethod.Get, "/v1/streams", KeyOf(other)));
        }

        var reads = await AskAsync(HttpMethod.Get, "/v1/streams", WorkerKey);
        var appends = await AskAsync(HttpMethod.Post, "/v1/streams/s/entries", WorkerKey);

        var mayRead = RightsOf(version) == Rights.Read;
        Assert.Equal(
            (after, version, $"010203{SerialOf(version):X2}",
                mayRead ? HttpStatusCode.OK : HttpStatusCode.Forbidden,
                mayRead ? HttpStatusCode.Forbidden : HttpStatusCode.OK),
            (after, keys.IndexOf(HttpStatusCode.OK), serial, reads, appends));
        Assert.Equal(2, keys.Count(status => status == HttpStatusCode.Unauthorized));
    }
}
