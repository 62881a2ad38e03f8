using System.Security.Cryptography;

namespace Ledger.Runtime.Real;

/// <summary>Random bytes from the operating system's cryptographic generator.</summary>
internal sealed class SystemRandomness : IRandomness
{
    /// <inheritdoc/>
    public void Fill(Span<byte> destination) => RandomNumberGenerator.Fill(destination);
}
