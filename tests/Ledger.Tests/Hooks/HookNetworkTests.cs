using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ledger.Conformance.Hooks;
using Ledger.Server.Hooks;
using Xunit;

namespace Ledger.Tests.Hooks;

/// <summary>Where a hook may connect to, and whom it trusts there.</summary>
public sealed class HookNetworkTests
{
    [Theory]
    [InlineData("127.0.0.1", false)]
    [InlineData("127.200.3.4", false)]
    [InlineData("0.0.0.0", false)]
    [InlineData("10.1.2.3", false)]
    [InlineData("172.31.255.255", false)]
    [InlineData("172.32.0.1", true)]
    [InlineData("192.168.0.1", false)]
    [InlineData("169.254.169.254", false)]
    [InlineData("100.100.100.200", false)]
    [InlineData("224.0.0.1", false)]
    [InlineData("255.255.255.255", false)]
    [InlineData("93.184.216.34", true)]
    [InlineData("::1", false)]
    [InlineData("::", false)]
    [InlineData("::ffff:127.0.0.1", false)]
    [InlineData("::ffff:93.184.216.34", true)]
    [InlineData("::127.0.0.1", false)]
    [InlineData("fe80::1", false)]
    [InlineData("fe80::1%2", false)]
    [InlineData("fd00:ec2::254", false)]
    [InlineData("64:ff9b::10.0.0.1", false)]
    [InlineData("64:ff9b::93.184.216.34", true)]
    [InlineData("2002:7f00:1::", false)]
    [InlineData("2001:0:1::", false)]
    [InlineData("2001:db8::1", false)]
    [InlineData("ff02::1", false)]
    [InlineData("2606:2800:220:1::1", true)]
    public void Only_addresses_of_the_public_internet_are_public(string address, bool isPublic)
    {
        Assert.Equal(isPublic, HookAddresses.IsPublic(IPAddress.Parse(address)));
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("[::1]")]
    [InlineData("localhost")]
    [InlineData("2130706433")]
    [InlineData("0x7f.1")]
    public async Task A_target_on_this_machine_is_refused_before_anything_is_connected(string host)
    {
        using var authority = TestAuthority.Create();
        await using var endpoint = new HookEndpoint((_, _) => new("200"), certificate: authority.Server);
        await using var test = new HookTest();
        await test.AppendAsync("s", "1");
        var url = new UriBuilder("https", host, endpoint.Port).Uri;

        await test.Host.ReplaceAsync([test.Hook with { Url = url, AllowPrivate = false, InsecureSkipVerify = true }]);
        await test.UntilAsync(() => test.Status.Failures > 0);

        Assert.Contains("is not public", test.Status.LastError, StringComparison.Ordinal);
        Assert.Equal((0, 0), (endpoint.Connections, test.Status.Parked));
    }

    [Fact]
    public async Task A_name_is_asked_for_once_for_each_connection_and_the_address_that_was_checked_is_the_one_reached()
    {
        var asked = 0;
        var reached = new List<IPEndPoint>();
        using var authority = TestAuthority.Create();
        await using var endpoint = new HookEndpoint((_, _) => new("200"), certificate: authority.Server);
        var network = new HookNetwork(
            (_, _) => Task.FromResult<IPAddress[]>(
                Interlocked.Increment(ref asked) == 1 ? [IPAddress.Parse("93.184.216.34")] : [IPAddress.Loopback]),
            async (address, token) =>
            {
                // The public Internet of this test is the endpoint.
                reached.Add(address);
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
                await socket.ConnectAsync(IPAddress.Loopback, endpoint.Port, token);
                return new NetworkStream(socket, ownsSocket: true);
            });
        var hook = new HookOptions
        {
            Name = "h",
            Store = "orders",
            Url = endpoint.UrlOf("hook.test"),
            InsecureSkipVerify = true,
        };

        using (var first = new HookSender(hook, network.CreateHandler(hook, 1), TimeProvider.System))
        {
            Assert.Equal(HookOutcome.Delivered, (await first.SendAsync("s", [], default)).Outcome);
            Assert.Equal(HookOutcome.Delivered, (await first.SendAsync("s", [], default)).Outcome);
        }

        Assert.Equal((1, 1), (asked, endpoint.Connections));
        using var second = new HookSender(hook, network.CreateHandler(hook, 1), TimeProvider.System);
        var answer = await second.SendAsync("s", [], default);

        Assert.Equal((HookOutcome.Away, 2, 1), (answer.Outcome, asked, endpoint.Connections));
        Assert.Contains("'hook.test' is not public", answer.Error, StringComparison.Ordinal);
        Assert.Equal("93.184.216.34", Assert.Single(reached).Address.ToString());
    }

    [Fact]
    public async Task Of_several_addresses_only_the_public_ones_are_tried()
    {
        var reached = new List<string>();
        var network = new HookNetwork(
            (_, _) => Task.FromResult<IPAddress[]>(
                [IPAddress.Loopback, IPAddress.Parse("93.184.216.34"), IPAddress.Parse("93.184.216.35")]),
            (address, _) =>
            {
                reached.Add(address.Address.ToString());
                throw new SocketException((int)SocketError.ConnectionRefused);
            });
        var hook = new HookOptions { Name = "h", Store = "orders", Url = new Uri("https://hook.test/") };
        using var sender = new HookSender(hook, network.CreateHandler(hook, 1), TimeProvider.System);

        var answer = await sender.SendAsync("s", [], default);

        Assert.Equal(HookOutcome.Away, answer.Outcome);
        Assert.Equal(["93.184.216.34", "93.184.216.35"], reached);
    }

    [Fact]
    public async Task A_hook_trusts_its_own_authority_and_no_other_unless_it_takes_any()
    {
        using var authority = TestAuthority.Create();
        using var stranger = TestAuthority.Create();
        await using var endpoint = new HookEndpoint((_, _) => new("200"), certificate: authority.Server);
        var hook = new HookOptions
        {
            Name = "h",
            Store = "orders",
            Url = endpoint.UrlOf("localhost"),
            AllowPrivate = true,
        };

        async Task<HookOutcome> SendAsync(HookOptions options)
        {
            using var sender = new HookSender(
                options, new HookNetwork().CreateHandler(options, 1), TimeProvider.System);
            return (await sender.SendAsync("s", [], default)).Outcome;
        }

        Assert.Equal(HookOutcome.Away, await SendAsync(hook));
        Assert.Equal(HookOutcome.Away, await SendAsync(hook with { CaFile = stranger.Path }));
        Assert.Equal(HookOutcome.Delivered, await SendAsync(hook with { CaFile = authority.Path }));
        Assert.Equal(HookOutcome.Delivered, await SendAsync(hook with { InsecureSkipVerify = true }));
        Assert.Equal(
            HookOutcome.Away,
            await SendAsync(hook with { CaFile = authority.Path, Url = endpoint.UrlOf("127.0.0.1") }));
        Assert.Throws<ArgumentException>(
            () => new HookNetwork().CreateHandler(hook with { CaFile = authority.Path + ".none" }, 1));
    }

    /// <summary>A certificate for localhost, and the file of the one that signed it.</summary>
    private sealed class TestAuthority : IDisposable
    {
        private TestAuthority(X509Certificate2 server, string path) => (Server, Path) = (server, path);

        public X509Certificate2 Server { get; }

        public string Path { get; }

        public static TestAuthority Create()
        {
            var (from, until) = (DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
            using var rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var root = new CertificateRequest("CN=root", rootKey, HashAlgorithmName.SHA256);
            root.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
            using var rootCertificate = root.CreateSelfSigned(from, until);

            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
            var names = new SubjectAlternativeNameBuilder();
            names.AddDnsName("localhost");
            request.CertificateExtensions.Add(names.Build());
            using var signed = request.Create(rootCertificate, from.AddHours(1), until.AddHours(-1), [1, 2, 3]);
            using var server = signed.CopyWithPrivateKey(key);

            var path = System.IO.Path.GetTempFileName();
            File.WriteAllText(path, rootCertificate.ExportCertificatePem());
            return new TestAuthority(
                X509CertificateLoader.LoadPkcs12(server.Export(X509ContentType.Pfx), null), path);
        }

        public void Dispose()
        {
            Server.Dispose();
            File.Delete(Path);
        }
    }
}
