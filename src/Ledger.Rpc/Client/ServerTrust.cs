using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Ledger.Rpc.Client;

/// <summary>Looks at servers' certificates as the platform does, and says why one is refused.</summary>
internal static class ServerTrust
{
    /// <summary>The same options, which tell why a certificate is refused.</summary>
    /// <param name="options">What the caller wants; null for the platform's own. Not changed.</param>
    /// <param name="host">Whom the caller means.</param>
    public static SslClientAuthenticationOptions Telling(SslClientAuthenticationOptions? options, string host)
    {
        var own = options?.RemoteCertificateValidationCallback;
        options ??= new SslClientAuthenticationOptions();
        return new SslClientAuthenticationOptions
        {
            AllowRenegotiation = options.AllowRenegotiation,
            AllowTlsResume = options.AllowTlsResume,
            ApplicationProtocols = options.ApplicationProtocols,
            CertificateChainPolicy = options.CertificateChainPolicy,
            CertificateRevocationCheckMode = options.CertificateRevocationCheckMode,
            CipherSuitesPolicy = options.CipherSuitesPolicy,
            ClientCertificateContext = options.ClientCertificateContext,
            ClientCertificates = options.ClientCertificates,
            EnabledSslProtocols = options.EnabledSslProtocols,
            EncryptionPolicy = options.EncryptionPolicy,
            LocalCertificateSelectionCallback = options.LocalCertificateSelectionCallback,
            TargetHost = options.TargetHost,
            RemoteCertificateValidationCallback = (sender, certificate, chain, problems) =>
                own?.Invoke(sender, certificate, chain, problems) ?? problems == SslPolicyErrors.None
                    ? true
                    : throw new CertificateRefusedException(
                        $"The certificate of the server '{host}' is refused: " +
                        ReasonOf(certificate as X509Certificate2, chain, problems)),
        };
    }

    private static string ReasonOf(X509Certificate2? certificate, X509Chain? chain, SslPolicyErrors problems)
    {
        if (certificate is null || problems.HasFlag(SslPolicyErrors.RemoteCertificateNotAvailable))
        {
            return "it has none.";
        }

        var status = (chain?.ChainStatus ?? []).Aggregate(
            X509ChainStatusFlags.NoError, (all, one) => all | one.Status);
        if (status.HasFlag(X509ChainStatusFlags.NotTimeValid))
        {
            return $"it, or who signed it, is not valid now; it is from {Time(certificate.NotBefore)} to " +
                $"{Time(certificate.NotAfter)}.";
        }

        if ((status & (X509ChainStatusFlags.UntrustedRoot | X509ChainStatusFlags.PartialChain)) != 0)
        {
            return $"nobody who is trusted here signed it; it is from '{certificate.Issuer}'.";
        }

        return problems.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch)
            ? "it is for another name."
            : status == X509ChainStatusFlags.NoError ? "it is not the one that is expected." : $"{status}.";

        static string Time(DateTime time) => time.ToUniversalTime().ToString("yyyy-MM-dd HH:mm 'UTC'", null);
    }
}

/// <summary>The certificate of a server is not one that is taken.</summary>
/// <param name="message">Why, as a sentence.</param>
internal sealed class CertificateRefusedException(string message) : AuthenticationException(message);
