using System.Security.Cryptography;
using System.Text;

namespace Ledger.Server.Identities;

/// <summary>Keys: made at random, known afterwards only by their digests.</summary>
/// <remarks>
/// A key has 256 random bits, so a plain SHA-256 of it is as good as any slow hash: there is nothing to guess that a
/// salt or many rounds would make dearer. Those are for passwords, which people choose.
/// </remarks>
internal static class ApiKey
{
    /// <summary>Bytes of a digest.</summary>
    public const int DigestSizeBytes = SHA256.HashSizeInBytes;

    private const int RandomSizeBytes = 32;

    /// <summary>A new key.</summary>
    public static string Create() => "lk_" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(RandomSizeBytes));

    /// <summary>The digest of a key; takes any text, so that what is compared always has the same length.</summary>
    public static byte[] DigestOf(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}
