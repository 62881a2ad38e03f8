using Ledger.Runtime;

namespace Ledger.Objects;

/// <summary>Data was written by a newer version of Ledger; it was left as it is.</summary>
/// <param name="what">What has the unknown version, as a noun phrase.</param>
/// <param name="version">The version found.</param>
/// <param name="versionMax">The newest version this build reads.</param>
public sealed class FormatTooNewException(string what, long version, long versionMax)
    : LedgerException($"{what} has format version {version}; this build reads up to {versionMax}. Update Ledger.")
{
    /// <summary>The version found.</summary>
    public long Version { get; } = version;

    /// <summary>The newest version this build reads.</summary>
    public long VersionMax { get; } = versionMax;
}
