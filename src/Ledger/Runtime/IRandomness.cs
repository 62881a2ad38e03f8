namespace Ledger.Runtime;

/// <summary>The randomness seam. Production fills from the operating system, simulation from a seed.</summary>
public interface IRandomness
{
    /// <summary>Fills <paramref name="destination"/> with random bytes; safe to call from several threads.</summary>
    void Fill(Span<byte> destination);
}
