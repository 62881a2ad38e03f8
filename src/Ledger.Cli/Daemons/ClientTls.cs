using System.CommandLine;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Ledger.Cli.Daemons;

/// <summary>The files for TLS to a daemon, of the command line or of the environment.</summary>
/// <param name="Authority">Who signs the daemon's certificate; null for whom the system trusts.</param>
/// <param name="Certificate">The caller's certificate; null for none.</param>
/// <param name="Key">Its key; null without one.</param>
internal sealed record ClientTls(string? Authority, string? Certificate, string? Key)
{
    /// <summary>Nothing was given.</summary>
    public bool IsEmpty => Authority is null && Certificate is null && Key is null;

    /// <summary>What was given.</summary>
    /// <exception cref="CliException">A certificate without a key, or the other way round.</exception>
    public static ClientTls Of(CommandContext context, ServerOptions server)
    {
        var tls = new ClientTls(
            Find(server.TlsAuthority, "LEDGER_TLS_CA"), Find(server.TlsCertificate, "LEDGER_TLS_CERT"),
            Find(server.TlsKey, "LEDGER_TLS_KEY"));
        return tls.Certificate is null == tls.Key is null
            ? tls
            : throw CliException.Usage(
                "--tls-cert and --tls-key go together.", "So do LEDGER_TLS_CERT and LEDGER_TLS_KEY.");

        string? Find(Option<string?> option, string variable) =>
            context.Parse.GetValue(option) is { Length: > 0 } given ? given
            : Environment.GetEnvironmentVariable(variable) is { Length: > 0 } set ? set : null;
    }

    /// <summary>What a connection takes and shows.</summary>
    /// <param name="own">
    /// The certificate of the daemon of this machine, which is trusted as such, whatever name it has, unless an
    /// authority is given; null when it has none.
    /// </param>
    /// <returns>Null for the system's own.</returns>
    /// <exception cref="CliException">A file cannot be used.</exception>
    public SslClientAuthenticationOptions? ToOptions(string? own)
    {
        if (IsEmpty && own is null)
        {
            return null;
        }

        var options = new SslClientAuthenticationOptions();
        if (Authority is not null)
        {
            var policy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
            };
            Read("--tls-ca", Authority, path =>
            {
                policy.CustomTrustStore.ImportFromPemFile(path);
                if (policy.CustomTrustStore.Count == 0)
                {
                    throw new CryptographicException("There is no certificate in it.");
                }
            });
            options.CertificateChainPolicy = policy;
        }
        else if (own is not null)
        {
            using var certificate = X509CertificateLoader.LoadCertificateFromFile(own);
            var digest = certificate.GetCertHashString(HashAlgorithmName.SHA256);
            options.RemoteCertificateValidationCallback = (_, given, _, problems) =>
                problems == SslPolicyErrors.None || given?.GetCertHashString(HashAlgorithmName.SHA256) == digest;
        }

        if (Certificate is not null && Key is not null)
        {
            Read("--tls-cert", Certificate, path =>
            {
                var chain = new X509Certificate2Collection();
                chain.ImportFromPemFile(path);
                using var bare = X509Certificate2.CreateFromPemFile(path, Key);

                // Without this detour the platform of Windows does not find the key.
                options.ClientCertificateContext = SslStreamCertificateContext.Create(
                    X509CertificateLoader.LoadPkcs12(bare.Export(X509ContentType.Pkcs12), null), chain, offline: true);
            });
        }

        return options;
    }

    private static void Read(string name, string path, Action<string> read)
    {
        try
        {
            read(path);
        }
        catch (Exception error) when (error is CryptographicException or ArgumentException)
        {
            throw new CliException(
                ExitCodes.Failed, $"{name}: the file '{path}' cannot be used: {error.Message}", null, error);
        }
    }
}
