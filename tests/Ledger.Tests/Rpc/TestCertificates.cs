using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Ledger.Tests.Rpc;

/// <summary>Certificates of a day, for servers and clients of the tests.</summary>
internal static class TestCertificates
{
    /// <summary>Makes one with its key.</summary>
    /// <param name="name">Whose, as "CN=…".</param>
    /// <param name="authority">Who signs it; null for an authority of its own.</param>
    /// <param name="host">The host that it is for, besides this machine's own address.</param>
    /// <param name="isOver">Whether its time is over.</param>
    /// <param name="serial">The end of its number.</param>
    public static X509Certificate2 Make(
        string name, X509Certificate2? authority, string host = "localhost", bool isOver = false,
        byte serial = 1)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(authority is null, false, 0, true));
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(host);
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        var (from, to) = (DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(2));
        if (authority is null)
        {
            return request.CreateSelfSigned(from, to);
        }

        using var bare = request.Create(
            authority, from, isOver ? from.AddHours(1) : to.AddDays(-1), [1, 2, 3, serial]);
        using var whole = bare.CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(whole.Export(X509ContentType.Pkcs12), null);
    }
}
