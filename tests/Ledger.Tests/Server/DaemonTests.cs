using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ledger.Rpc;
using Ledger.Rpc.Client;
using Ledger.Rpc.Serving;
using Ledger.Server.Configuration;
using Ledger.Server.Hosting;
using Ledger.Server.Logging;
using Ledger.Streams;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Ledger.Tests.Server;

public sealed class DaemonTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("ledger-life-").FullName;
    private readonly DaemonLog _log;

    public DaemonTests() => _log = new DaemonLog(
        Path.Combine(_directory, "log"), isJson: false, LogLevel.Information, TimeProvider.System);

    public void Dispose()
    {
        _log.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Theory]
    [InlineData("listen: :0\napi_key: k", "'listen' is :0, which other machines can reach, and there is no TLS")]
    [InlineData("http_listen: 0.0.0.0:0\napi_key: k", "'http_listen' is 0.0.0.0:0, which other machines can reach")]
    [InlineData("listen: '[::]:0'\napi_key: ''", "'listen' is [::]:0, which other machines can reach, and anybody may")]
    [InlineData("listen: localhost:0\ntls: { cert: none.pem, key: none.pem }", "'tls.cert': the file ")]
    public async Task What_is_not_safe_does_not_start(string text, string sentence)
    {
        var error = await Assert.ThrowsAsync<ConfigurationException>(() => StartAsync(text));

        Assert.Contains(error.Problems, problem => problem.StartsWith(sentence, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("listen", "http_listen")]
    [InlineData("http_listen", "listen")]
    public async Task With_TLS_alone_an_address_that_other_machines_can_reach_does_not_start(string key, string other)
    {
        WriteCertificate("server");

        var error = await Assert.ThrowsAsync<ConfigurationException>(() => StartAsync(
            $"{key}: :0\n{other}: localhost:0\napi_key: ''\ntls: {{ cert: server.pem, key: server.key }}"));

        Assert.StartsWith(
            $"'{key}' is :0, which other machines can reach, and anybody may call: give 'api_key'",
            Assert.Single(error.Problems), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("what must not be lost")]
    [InlineData("")]
    public async Task A_file_that_is_no_socket_is_not_taken_for_a_socket_that_a_daemon_left(string content)
    {
        var path = Path.Combine(_directory, "precious.txt");
        await File.WriteAllTextAsync(path, content);

        var error = await Assert.ThrowsAsync<DaemonException>(
            () => StartAsync("listen: unix:precious.txt\nhttp_listen: ''\napi_key: k"));

        Assert.Equal($"'listen': {path} is there, and is not a socket of a daemon.", error.Message);
        Assert.Equal(content, await File.ReadAllTextAsync(path));
    }

    [Fact]
    public async Task Insecure_serves_other_machines_and_says_that_it_is_unwise()
    {
        await using (var daemon = await StartAsync("listen: :0\nhttp_listen: ''\napi_key: ''\ninsecure: true"))
        {
            Assert.NotEmpty(daemon.AddressesOf(ListenerKind.Grpc));
            Assert.Empty(daemon.AddressesOf(ListenerKind.Http));
        }

        _log.Dispose();
        Assert.Contains(
            "'api_key' is empty: anybody who reaches the daemon may do everything.",
            await File.ReadAllTextAsync(Path.Combine(_directory, "log")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_empty_key_opens_this_machine_and_a_socket_is_then_its_owners_alone()
    {
        await using var daemon = await StartAsync("listen: unix:grpc.sock\nhttp_listen: ''\napi_key: ''");
        var socket = Path.Combine(_directory, "grpc.sock");
        using var channel = new RpcChannel("unix:" + socket);
        await using var store = await RemoteStreamStore.OpenAsync(channel, "orders");

        await store.AppendAsync("s", [new NewEntry("{}"u8.ToArray())]);

        Assert.Equal(1, (await store.CountAsync("s")));
        Assert.False(SecretFile.IsReadableByOthers(socket));
    }

    [Fact]
    public async Task One_address_with_TLS_serves_gRPC_and_HTTP_and_a_reload_changes_certificates()
    {
        var first = WriteCertificate("server");
        await using var daemon = await StartAsync(
            "listen: localhost:0\nhttp_listen: localhost:0\napi_key: k\ntls: { cert: server.pem, key: server.key }");
        var grpc = daemon.AddressesOf(ListenerKind.Grpc)[0];
        var http = daemon.AddressesOf(ListenerKind.Http)[0];

        using var channel = new RpcChannel(
            $"https://{grpc}", new RpcChannelOptions { ApiKey = "k", Tls = Trusting(first, null) });
        await using var store = await RemoteStreamStore.OpenAsync(channel, "orders");
        await store.AppendAsync("s", [new NewEntry("{}"u8.ToArray())]);
        var before = await HealthAsync(http, first, null);
        var second = WriteCertificate("server");
        await Assert.ThrowsAsync<HttpRequestException>(() => HealthAsync(http, second, null));
        await daemon.ReloadAsync();
        var after = await HealthAsync(http, second, null);
        await Assert.ThrowsAsync<HttpRequestException>(() => HealthAsync(http, first, null));

        // A connection that is open goes on as it was.
        Assert.Equal(1, await store.CountAsync("s"));
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (before, after));
    }

    [Fact]
    public async Task With_mutual_TLS_only_certificates_of_the_authority_that_are_valid_get_in()
    {
        var server = WriteCertificate("server");
        using var authority = Authority("clients");
        using var stranger = Authority("strangers");
        await File.WriteAllTextAsync(Path.Combine(_directory, "ca.pem"), authority.ExportCertificatePem());
        await using var daemon = await StartAsync(
            """
            listen: localhost:0
            http_listen: localhost:0
            api_key: ""
            tls: { cert: server.pem, key: server.key, ca: ca.pem }
            """);
        var http = daemon.AddressesOf(ListenerKind.Http)[0];
        var now = DateTimeOffset.UtcNow;
        using var known = Signed(authority, now.AddDays(-1), now.AddDays(1));
        using var expired = Signed(authority, now.AddDays(-3), now.AddDays(-2));
        using var foreign = Signed(stranger, now.AddDays(-1), now.AddDays(1));

        Assert.Equal(HttpStatusCode.OK, await HealthAsync(http, server, known));
        await Assert.ThrowsAsync<HttpRequestException>(() => HealthAsync(http, server, expired));
        await Assert.ThrowsAsync<HttpRequestException>(() => HealthAsync(http, server, foreign));
        await Assert.ThrowsAsync<HttpRequestException>(() => HealthAsync(http, server, null));
    }

    [Fact]
    public async Task One_key_that_calls_too_often_is_refused_over_both_protocols_and_health_is_not()
    {
        await using var daemon = await StartAsync(
            "listen: localhost:0\nhttp_listen: localhost:0\napi_key: k\n" +
            "limits: { calls_per_second: 1, burst: 2 }");
        using var http = new HttpClient { BaseAddress = new($"http://{daemon.AddressesOf(ListenerKind.Http)[0]}") };
        http.DefaultRequestHeaders.Add("x-api-key", "k");
        http.DefaultRequestHeaders.Add("x-ledger-store", "orders");
        using var channel = new RpcChannel(
            daemon.AddressesOf(ListenerKind.Grpc)[0].ToString()!, new RpcChannelOptions { ApiKey = "k" });
        await using var store = await RemoteStreamStore.OpenAsync(channel, "orders");

        var statuses = new List<HttpStatusCode>();
        for (var call = 0; call < 5; call++)
        {
            using var answer = await http.GetAsync(new Uri("/v1/streams", UriKind.Relative));
            statuses.Add(answer.StatusCode);
            Assert.Equal(answer.StatusCode == HttpStatusCode.TooManyRequests, answer.Headers.RetryAfter is not null);
        }

        var error = await Assert.ThrowsAsync<RemoteLedgerException>(async () => await store.CountAsync("s"));
        using var health = await http.GetAsync(new Uri("/healthz", UriKind.Relative));

        Assert.Contains(HttpStatusCode.TooManyRequests, statuses);
        Assert.Equal(RpcCode.ResourceExhausted, error.Code);
        Assert.Equal(HttpStatusCode.OK, health.StatusCode);
    }

    [Fact]
    public async Task An_open_daemon_answers_to_names_of_this_machine_only()
    {
        await using var daemon = await StartAsync("listen: localhost:0\nhttp_listen: localhost:0\napi_key: ''");
        using var http = new HttpClient { BaseAddress = new($"http://{daemon.AddressesOf(ListenerKind.Http)[0]}") };
        var statuses = new List<HttpStatusCode>();
        foreach (var host in new[] { "localhost", "127.0.0.1:1", "[::1]", "rebound.example" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri("/v1/streams", UriKind.Relative));
            request.Headers.Host = host;
            request.Headers.Add("x-ledger-store", "orders");
            using var answer = await http.SendAsync(request);
            statuses.Add(answer.StatusCode);
        }

        Assert.Equal(
            [HttpStatusCode.OK, HttpStatusCode.OK, HttpStatusCode.OK, HttpStatusCode.Forbidden], statuses);
    }

    [Fact]
    public async Task Metrics_are_text_of_Prometheus_and_readiness_is_the_databases()
    {
        await using var daemon = await StartAsync("listen: localhost:0\nhttp_listen: localhost:0\napi_key: k");
        using var http = new HttpClient { BaseAddress = new($"http://{daemon.AddressesOf(ListenerKind.Http)[0]}") };
        http.DefaultRequestHeaders.Add("x-api-key", "k");
        http.DefaultRequestHeaders.Add("x-ledger-store", "orders");
        using var content = new StringContent("""{"entries":[{"payload":"aA=="}]}""");
        using var append = await http.PostAsync(new Uri("/v1/streams/s/entries", UriKind.Relative), content);

        var metrics = await http.GetStringAsync(new Uri("/metrics", UriKind.Relative));
        var ready = await http.GetStringAsync(new Uri("/readyz", UriKind.Relative));

        Assert.Equal(HttpStatusCode.OK, append.StatusCode);
        Assert.Contains("ledger_streams_entries_appended", metrics, StringComparison.Ordinal);
        Assert.Equal("ready\n", ready);
    }

    [Fact]
    public async Task A_stop_ends_what_follows_as_unavailable_and_cuts_nothing_off()
    {
        var daemon = await StartAsync(
            "listen: localhost:0\nhttp_listen: ''\napi_key: k\nstop_timeout: 30s");
        using var channel = new RpcChannel(
            daemon.AddressesOf(ListenerKind.Grpc)[0].ToString()!, new RpcChannelOptions { ApiKey = "k" });
        await using var consume = channel.Duplex(LedgerMethods.Consume, RpcCallOptions.OfStore("orders"), default);
        await consume.WriteAsync(new() { Number = 1, Acquire = new() { Name = "c" } });
        await consume.ReadAsync();
        await using var reflection = channel.Duplex(ReflectionMethods.Info, RpcCallOptions.None, default);
        await reflection.WriteAsync(new() { ListServices = "" });
        await reflection.ReadAsync();
        await using var watch = channel
            .StreamAsync(HealthMethods.Watch, new(), RpcCallOptions.None).GetAsyncEnumerator();
        await watch.MoveNextAsync();
        var ends = new[]
        {
            Assert.ThrowsAsync<RpcException>(async () => await consume.ReadAsync()),
            Assert.ThrowsAsync<RpcException>(async () => await reflection.ReadAsync()),
            Assert.ThrowsAsync<RpcException>(async () => await watch.MoveNextAsync()),
        };

        await daemon.StopAsync();
        var reload = await Assert.ThrowsAsync<ConfigurationException>(daemon.ReloadAsync);

        Assert.All(await Task.WhenAll(ends), end => Assert.Equal(RpcCode.Unavailable, end.Code));
        Assert.Contains("is stopping", reload.Message, StringComparison.Ordinal);
        _log.Dispose();
        Assert.DoesNotContain(
            "cut off", await File.ReadAllTextAsync(Path.Combine(_directory, "log")), StringComparison.Ordinal);
    }

    private static RSA NewKey() => RSA.Create(2048);

    private static X509Certificate2 Authority(string name)
    {
        using var key = NewKey();
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-10), DateTimeOffset.UtcNow.AddDays(10));
    }

    private static X509Certificate2 Signed(X509Certificate2 authority, DateTimeOffset from, DateTimeOffset until)
    {
        using var key = NewKey();
        var request = new CertificateRequest("CN=client", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(
            new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.2")], critical: false));
        using var bare = request.Create(authority, from, until, RandomNumberGenerator.GetBytes(8));
        using var whole = bare.CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(whole.Export(X509ContentType.Pkcs12), null);
    }

    private static SslClientAuthenticationOptions Trusting(string thumbprint, X509Certificate2? client) => new()
    {
        TargetHost = "localhost",
        EnabledSslProtocols = SslProtocols.Tls12,
        ClientCertificates = client is null ? null : [client],
        RemoteCertificateValidationCallback = (_, certificate, _, _) =>
            certificate!.GetCertHashString(HashAlgorithmName.SHA256) == thumbprint,
    };

    private static async Task<HttpStatusCode> HealthAsync(EndPoint address, string thumbprint, X509Certificate2? client)
    {
        using var http = new HttpClient(new SocketsHttpHandler { SslOptions = Trusting(thumbprint, client) });
        using var answer = await http.GetAsync(new Uri($"https://{address}/healthz"));
        return answer.StatusCode;
    }

    private string WriteCertificate(string name)
    {
        using var key = NewKey();
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        using var certificate = request.CreateSelfSigned(
            DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        File.WriteAllText(Path.Combine(_directory, name + ".pem"), certificate.ExportCertificatePem());
        File.WriteAllText(Path.Combine(_directory, name + ".key"), key.ExportPkcs8PrivateKeyPem());
        return certificate.GetCertHashString(HashAlgorithmName.SHA256);
    }

    private Task<Daemon> StartAsync(string text)
    {
        var path = Path.Combine(_directory, "config.yaml");
        SecretFile.Write(path, text);
        return Daemon.StartAsync(LoadedConfiguration.Load(path, new Dictionary<string, string>()), _log);
    }
}
