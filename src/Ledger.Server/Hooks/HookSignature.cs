using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Ledger.Server.Hooks;

/// <summary>Signs requests, and checks signatures as a receiver does.</summary>
public static class HookSignature
{
    /// <summary>Lower-case hexadecimal HMAC-SHA256 of the body.</summary>
    public const string BodyHeader = "X-Ledger-Signature";

    /// <summary>
    /// Lower-case hexadecimal HMAC-SHA256 of <c>timestamp.delivery.body</c>, one for each secret, separated by commas.
    /// </summary>
    public const string Header = "X-Ledger-Signature-V2";

    /// <summary>When the request was made, in seconds since the Unix epoch.</summary>
    public const string TimestampHeader = "X-Ledger-Timestamp";

    /// <summary>Names the delivery; the same when the same entries are tried again.</summary>
    public const string DeliveryHeader = "X-Ledger-Delivery";

    /// <summary>Checks a request: its signature, and that it was made not long ago.</summary>
    /// <param name="secret">The secret that sender and receiver share.</param>
    /// <param name="timestamp">The request's timestamp header.</param>
    /// <param name="delivery">The request's delivery header.</param>
    /// <param name="signatures">The request's second signature header.</param>
    /// <param name="body">The exact bytes of the body.</param>
    /// <param name="now">The receiver's clock.</param>
    /// <param name="tolerance">How far apart the clocks may be; null for 5 minutes.</param>
    /// <returns>False for whatever is not signed with this secret, or too old; in a time that tells nothing.</returns>
    public static bool Verify(
        string secret, string? timestamp, string? delivery, string? signatures, ReadOnlySpan<byte> body,
        DateTimeOffset now, TimeSpan? tolerance = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(secret);
        if (timestamp is null || delivery is null || signatures is null
            || !long.TryParse(timestamp, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
            || Math.Abs(now.ToUnixTimeSeconds() - seconds) > (tolerance ?? TimeSpan.FromMinutes(5)).TotalSeconds)
        {
            return false;
        }

        var expected = Encoding.ASCII.GetBytes(Of(secret, timestamp, delivery, body));
        var isSigned = false;
        foreach (var signature in signatures.Split(','))
        {
            isSigned |= CryptographicOperations.FixedTimeEquals(expected, Encoding.UTF8.GetBytes(signature.Trim()));
        }

        return isSigned;
    }

    /// <summary>The first signature.</summary>
    internal static string Of(string secret, ReadOnlySpan<byte> body) =>
        Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), body));

    /// <summary>The second signature.</summary>
    internal static string Of(string secret, string timestamp, string delivery, ReadOnlySpan<byte> body)
    {
        using var hash = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, Encoding.UTF8.GetBytes(secret));
        hash.AppendData(Encoding.ASCII.GetBytes($"{timestamp}.{delivery}."));
        hash.AppendData(body);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>The signatures of all secrets, separated by commas.</summary>
    internal static string OfAll(
        IEnumerable<string> secrets, string timestamp, string delivery, ReadOnlyMemory<byte> body) =>
        string.Join(',', secrets.Select(secret => Of(secret, timestamp, delivery, body.Span)));
}
