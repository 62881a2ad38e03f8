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
    public static X509Certificate2 Make(string name, X509Certificate2? authority)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(authority is null, false, 0, true));
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        var (from, to) = (DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(2));
        if (authority is null)
        {
            return request.CreateSelfSigned(from, to);
        }

        using var bare = request.Create(authority, from, to.AddDays(-1), [1, 2, 3, 4]);
        using var whole = bare.CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(whole.Export(X509ContentType.Pkcs12), null);
    }
}
