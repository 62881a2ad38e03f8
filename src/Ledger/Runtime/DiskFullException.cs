namespace Ledger.Runtime;

/// <summary>The medium has no room left (ENOSPC, or a quota). Thrown by implementations of the disk seam.</summary>
/// <param name="path">The file that was written.</param>
/// <param name="innerException">The platform's error, or null.</param>
public sealed class DiskFullException(string path, Exception? innerException = null)
    : IOException($"There is no space left to write '{path}'.", innerException);
