using Ledger.Runtime;

namespace Ledger.Conformance;

/// <summary>Random bytes that are the same for the same seed and order of calls. Safe from any thread.</summary>
/// <param name="seed">Decides all of them.</param>
public sealed class SeededRandomness(int seed) : IRandomness
{
    private readonly Lock _gate = new();
    private readonly Random _random = new(seed);

    /// <inheritdoc/>
    public void Fill(Span<byte> destination)
    {
        lock (_gate)
        {
            _random.NextBytes(destination);
        }
    }
}
