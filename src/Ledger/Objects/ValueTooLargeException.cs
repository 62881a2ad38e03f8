using Ledger.Runtime;

namespace Ledger.Objects;

/// <summary>A value is larger than the call can take or give.</summary>
/// <param name="sizeBytes">The size; a lower bound when the value was still being read.</param>
/// <param name="sizeBytesMax">The limit of the call.</param>
public sealed class ValueTooLargeException(long sizeBytes, long sizeBytesMax)
    : LedgerException($"The value has {sizeBytes} bytes; this call takes at most {sizeBytesMax}. Stream it instead.")
{
    /// <summary>The size; a lower bound when the value was still being read.</summary>
    public long SizeBytes { get; } = sizeBytes;

    /// <summary>The limit of the call.</summary>
    public long SizeBytesMax { get; } = sizeBytesMax;
}
