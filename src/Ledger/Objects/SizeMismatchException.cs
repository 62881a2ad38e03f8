using Ledger.Runtime;

namespace Ledger.Objects;

/// <summary>Content has another size than was declared; nothing was kept.</summary>
/// <param name="declaredSizeBytes">The size that was declared.</param>
/// <param name="actualSizeBytes">The size found; a lower bound when reading stopped at the declared size.</param>
public sealed class SizeMismatchException(long declaredSizeBytes, long actualSizeBytes)
    : LedgerException($"The content has {actualSizeBytes} bytes, not the declared {declaredSizeBytes}.")
{
    /// <summary>The size that was declared.</summary>
    public long DeclaredSizeBytes { get; } = declaredSizeBytes;

    /// <summary>The size found; a lower bound when reading stopped at the declared size.</summary>
    public long ActualSizeBytes { get; } = actualSizeBytes;
}
