namespace Ledger.Objects;

/// <summary>Limits of a store, from docs/formats/log.md.</summary>
internal static class StoreLimits
{
    /// <summary>Largest object: a chunk of 256 KiB is the largest that any layer makes; the rest is room.</summary>
    public const int ObjectSizeBytesMax = 1024 * 1024;

    /// <summary>Largest row key.</summary>
    public const int RowKeySizeBytesMax = 2048;

    /// <summary>Largest row value.</summary>
    public const int RowValueSizeBytesMax = 64 * 1024;

    /// <summary>Largest record, header included; what must be atomic fits in one.</summary>
    public const int RecordSizeBytesMax = 4 * 1024 * 1024;
}
