using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Ledger.Objects;
using Ledger.Rpc;
using Ledger.Rpc.Client;
using Ledger.Runtime;
using Ledger.Server.Services;
using Xunit;

namespace Ledger.Tests.Rpc;

/// <summary>Servers whose certificate is not one to trust: the client says why, and sends nothing.</summary>
public sealed class TlsTests : IDisposable
{
    private readonly X509Certificate2 _authority = TestCertificates.Make("CN=authority", null);
    private readonly LedgerRuntime _runtime = LedgerRuntime.CreateSystem();

    public void Dispose() => _authority.Dispose();

    [Theory]
    [InlineData("name", "it is for another name.")]
    [InlineData("time", "is not valid now; it is from ")]
    [InlineData("authority", "nobody who is trusted here signed it; it is from 'CN=stranger'.")]
    [InlineData("itself", "nobody who is trusted here signed it; it is from 'CN=itself'.")]
    public async Task A_certificate_that_is_refused_is_an_error_that_says_why(string fault, string reason)
    {
        using var stranger = TestCertificates.Make("CN=stranger", null);
        using var certificate = fault switch
        {
            "name" => TestCertificates.Make("CN=localhost", _authority, "elsewhere.example"),
            "time" => TestCertificates.Make("CN=localhost", _authority, isOver: true),
            "authority" => TestCertificates.Make("CN=localhost", stranger),
            _ => TestCertificates.Make("CN=itself", null),
        };
        await using var catalog = new StoreCatalog(new MemoryDatabase(_runtime), _runtime);
        await using var server = await WireServer.StartAsync(catalog, certificate: certificate);
        using var channel = Connect(server, null);

        var open = await Assert.ThrowsAsync<StoreUnavailableException>(
            async () => await RemoteStreamStore.OpenAsync(channel, "orders"));
        var change = await Assert.ThrowsAsync<RpcException>(() => channel.UnaryAsync(
            LedgerMethods.Append, WireFixture.Append("s"), RpcCallOptions.OfStore("orders"), default));

        Assert.Equal((StoreUnavailableReason.Unreachable, open.Message), (open.Reason, change.Message));
        Assert.StartsWith(
            "The certificate of the server 'localhost' is refused: ", open.Message, StringComparison.Ordinal);
        Assert.Contains(reason, open.Message, StringComparison.Ordinal);
        Assert.IsType<StoreUnavailableException>(RpcErrors.ToLocal(change, "orders", isChange: true));
    }

    [Fact]
    public async Task A_certificate_of_a_trusted_authority_is_taken_and_who_asks_otherwise_decides()
    {
        using var certificate = TestCertificates.Make("CN=localhost", _authority);
        await using var catalog = new StoreCatalog(new MemoryDatabase(_runtime), _runtime);
        await using var server = await WireServer.StartAsync(catalog, certificate: certificate);
        using var good = Connect(server, null);
        using var strict = Connect(server, (_, _, _, _) => false);

        await using var store = await RemoteStreamStore.OpenAsync(good, "orders");
        var refused = await Assert.ThrowsAsync<StoreUnavailableException>(
            async () => await RemoteStreamStore.OpenAsync(strict, "orders"));

        Assert.Equal(0, await store.CountAsync("s"));
        Assert.EndsWith("it is not the one that is expected.", refused.Message, StringComparison.Ordinal);
    }

    private RpcChannel Connect(WireServer server, RemoteCertificateValidationCallback? check)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
        };
        policy.CustomTrustStore.Add(_authority);
        var tls = new SslClientAuthenticationOptions
        {
            CertificateChainPolicy = policy,
            RemoteCertificateValidationCallback = check,
        };
        return new RpcChannel(
            $"https://localhost:{new Uri(server.TlsAddress).Port}",
            new RpcChannelOptions { ApiKey = WireServer.Key, Tls = tls });
    }
}
