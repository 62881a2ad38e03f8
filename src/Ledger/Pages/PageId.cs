using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;

namespace Ledger.Pages;

/// <summary>Name of a page within its ledger: 16 bytes; the root page's are all zero.</summary>
public readonly record struct PageId : IComparable<PageId>
{
    /// <summary>Length in bytes.</summary>
    public const int SizeBytes = 16;

    private readonly UInt128 _value;

    /// <summary>Makes an id of its bytes.</summary>
    /// <param name="bytes">Exactly 16 bytes.</param>
    public PageId(ReadOnlySpan<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(bytes.Length, SizeBytes, nameof(bytes));
        _value = BinaryPrimitives.ReadUInt128BigEndian(bytes);
    }

    /// <summary>The page that every ledger has: all zeros.</summary>
    public static PageId Root => default;

    /// <summary>Reads 32 hexadecimal digits, or the word <c>root</c>.</summary>
    /// <returns>False when <paramref name="text"/> is anything else.</returns>
    public static bool TryParse([NotNullWhen(true)] string? text, out PageId id)
    {
        id = default;
        if (text == "root")
        {
            return true;
        }

        Span<byte> bytes = stackalloc byte[SizeBytes];
        if (text is null || text.Length != 2 * SizeBytes ||
            Convert.FromHexString(text, bytes, out _, out _) != System.Buffers.OperationStatus.Done)
        {
            return false;
        }

        id = new PageId(bytes);
        return true;
    }

    /// <summary>Writes the 16 bytes.</summary>
    public void CopyTo(Span<byte> destination) => BinaryPrimitives.WriteUInt128BigEndian(destination, _value);

    /// <inheritdoc/>
    public int CompareTo(PageId other) => _value.CompareTo(other._value);

    /// <summary>32 lower-case hexadecimal digits.</summary>
    public override string ToString() => _value.ToString("x32", System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Earlier in the order of ids.</summary>
    public static bool operator <(PageId left, PageId right) => left.CompareTo(right) < 0;

    /// <summary>Later in the order of ids.</summary>
    public static bool operator >(PageId left, PageId right) => left.CompareTo(right) > 0;

    /// <summary>Not later in the order of ids.</summary>
    public static bool operator <=(PageId left, PageId right) => left.CompareTo(right) <= 0;

    /// <summary>Not earlier in the order of ids.</summary>
    public static bool operator >=(PageId left, PageId right) => left.CompareTo(right) >= 0;
}
