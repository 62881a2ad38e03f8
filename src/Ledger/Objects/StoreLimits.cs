using System.Runtime.CompilerServices;

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

    /// <summary>Throws unless an object may have <paramref name="sizeBytes"/>.</summary>
    public static void CheckObjectSize(
        int sizeBytes, [CallerArgumentExpression(nameof(sizeBytes))] string argument = "")
    {
        if (sizeBytes is < 1 or > ObjectSizeBytesMax)
        {
            throw new ArgumentOutOfRangeException(
                argument, sizeBytes, $"An object has 1 to {ObjectSizeBytesMax} bytes.");
        }
    }

    /// <summary>Throws unless the key of a row may have <paramref name="sizeBytes"/>.</summary>
    public static void CheckRowKeySize(
        int sizeBytes, [CallerArgumentExpression(nameof(sizeBytes))] string argument = "")
    {
        if (sizeBytes is < 1 or > RowKeySizeBytesMax)
        {
            throw new ArgumentOutOfRangeException(
                argument, sizeBytes, $"The key of a row has 1 to {RowKeySizeBytesMax} bytes.");
        }
    }

    /// <summary>Throws unless the value of a row may have <paramref name="sizeBytes"/>.</summary>
    public static void CheckRowValueSize(
        int sizeBytes, [CallerArgumentExpression(nameof(sizeBytes))] string argument = "")
    {
        if (sizeBytes > RowValueSizeBytesMax)
        {
            throw new ArgumentOutOfRangeException(
                argument, sizeBytes, $"The value of a row has at most {RowValueSizeBytesMax} bytes.");
        }
    }

    /// <summary>Throws unless one atomic record can hold items of <paramref name="sizeBytes"/> together.</summary>
    public static void CheckRecordBodySize(
        int sizeBytes, [CallerArgumentExpression(nameof(sizeBytes))] string argument = "")
    {
        if (sizeBytes > RecordSizeBytesMax - 1024)
        {
            throw new ArgumentOutOfRangeException(
                argument, sizeBytes, $"What is committed at once has at most {RecordSizeBytesMax - 1024} bytes.");
        }
    }
}
