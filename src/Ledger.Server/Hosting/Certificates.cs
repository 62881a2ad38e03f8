using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ledger.Server.Configuration;

namespace Ledger.Server.Hosting;

/// <summary>The server's certificate, and who signs those of clients. Immutable.</summary>
internal sealed class Certificates
{
    private readonly SslStreamCertificateContext _server;
    private readonly X509Certificate2Collection? _clientAuthorities;

    private Certificates(SslStreamCertificateContext server, X509Certificate2Collection? clientAuthorities)
    {
        _server = server;
        _clientAuthorities = clientAuthorities;
    }

    /// <summary>Clients must have a certificate.</summary>
    public bool AreClientsAsked => _clientAuthorities is not null;

    /// <summary>Reads the files.</summary>
    /// <exception cref="ConfigurationException">One cannot be used; the key is named.</exception>
    public static Certificates Load(TlsOptions options)
    {
        var chain = Read("tls.cert", options.CertificateFile, () =>
        {
            var all = new X509Certificate2Collection();
            all.ImportFromPemFile(options.CertificateFile);
            return all.Count > 0 ? all : throw new CryptographicException("There is no certificate in it.");
        });
        var server = Read("tls.key", options.KeyFile, () =>
        {
            using var bare = X509Certificate2.CreateFromPemFile(options.CertificateFile, options.KeyFile);

            // Without this detour the platform of Windows does not find the key.
            return X509CertificateLoader.LoadPkcs12(bare.Export(X509ContentType.Pkcs12), null);
        });
        chain.RemoveAt(0);
        var authorities = options.ClientAuthorityFile is not { } path ? null : Read("tls.ca", path, () =>
        {
            var all = new X509Certificate2Collection();
            all.ImportFromPemFile(path);
            return all.Count > 0 ? all : throw new CryptographicException("There is no certificate in it.");
        });
        return new Certificates(SslStreamCertificateContext.Create(server, chain, offline: true), authorities);
    }

    /// <summary>What a handshake that begins now uses.</summary>
    public SslServerAuthenticationOptions ToOptions(IEnumerable<SslApplicationProtocol> protocols) => new()
    {
        ServerCertificateContext = _server,
        ApplicationProtocols = [.. protocols],
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        ClientCertificateRequired = AreClientsAsked,
        CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        RemoteCertificateValidationCallback = AreClientsAsked ? IsClientKnown : null,
    };

    private bool IsClientKnown(
        object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors problems)
    {
        if (certificate is null)
        {
            return false;
        }

        using var own = new X509Chain();
        own.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        own.ChainPolicy.CustomTrustStore.AddRange(_clientAuthorities!);
        own.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        own.ChainPolicy.ApplicationPolicy.Add(new Oid("1.3.6.1.5.5.7.3.2"));
        foreach (var element in chain?.ChainElements.Skip(1) ?? [])
        {
            own.ChainPolicy.ExtraStore.Add(element.Certificate);
        }

        using var client = X509CertificateLoader.LoadCertificate(certificate.GetRawCertData());
        return own.Build(client);
    }

    private static T Read<T>(string key, string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception error) when (error is CryptographicException or IOException or UnauthorizedAccessException
            or ArgumentException)
        {
            throw new ConfigurationException($"'{key}': the file {path} cannot be used: {error.Message}");
        }
    }
}
