using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Ledger.Streams;

/// <summary>Names an entry of a store; never reused, also after the entry was trimmed.</summary>
/// <remarks>
/// Within one stream ids rise in the order of commit; across streams their order means nothing. As text decimal below
/// 2^63, otherwise 32 lower-case hexadecimal digits. The default value, zero, names no entry and is before all.
/// </remarks>
/// <param name="Value">The number.</param>
public readonly record struct EntryId(UInt128 Value) : IComparable<EntryId>, ISpanParsable<EntryId>
{
    private const int HexDigits = 32;
    private static readonly UInt128 DecimalEnd = UInt128.One << 63;

    /// <summary>True for zero, which names no entry.</summary>
    public bool IsNone => Value == UInt128.Zero;

    /// <summary>The id with this number.</summary>
    /// <param name="value">0 or more.</param>
    public static EntryId Of(long value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(value);
        return new EntryId((UInt128)value);
    }

    /// <inheritdoc/>
    public int CompareTo(EntryId other) => Value.CompareTo(other.Value);

    /// <summary>Decimal below 2^63, otherwise 32 lower-case hexadecimal digits.</summary>
    public override string ToString() => Value < DecimalEnd
        ? Value.ToString(CultureInfo.InvariantCulture)
        : Value.ToString("x32", CultureInfo.InvariantCulture);

    /// <summary>Reads what <see cref="ToString"/> writes.</summary>
    /// <exception cref="FormatException">The text is not an id.</exception>
    public static EntryId Parse(string s, IFormatProvider? provider = null)
    {
        ArgumentNullException.ThrowIfNull(s);
        return Parse(s.AsSpan(), provider);
    }

    /// <inheritdoc cref="Parse(string, IFormatProvider?)"/>
    public static EntryId Parse(ReadOnlySpan<char> s, IFormatProvider? provider = null) =>
        TryParse(s, provider, out var id) ? id : throw new FormatException(
            $"'{s}' is not the id of an entry: that is a decimal number below 2^63, or 32 hexadecimal digits.");

    /// <summary>Reads what <see cref="ToString"/> writes; false for anything else.</summary>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out EntryId result) =>
        TryParse(s.AsSpan(), provider, out result);

    /// <inheritdoc cref="TryParse(string?, IFormatProvider?, out EntryId)"/>
    public static bool TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out EntryId result)
    {
        var isHex = s.Length == HexDigits;
        var style = isHex ? NumberStyles.AllowHexSpecifier : NumberStyles.None;
        var isCanonical = s.IndexOfAnyInRange('A', 'F') < 0 && (isHex || s.Length == 1 || !s.StartsWith("0"));
        if (isCanonical && UInt128.TryParse(s, style, CultureInfo.InvariantCulture, out var value)
            && isHex == (value >= DecimalEnd))
        {
            result = new EntryId(value);
            return true;
        }

        result = default;
        return false;
    }

    /// <summary>The number of an id that a relational store gave out.</summary>
    internal bool TryGetInt64(out long value)
    {
        value = Value < DecimalEnd ? (long)Value : long.MaxValue;
        return Value < DecimalEnd;
    }

    /// <summary>Before.</summary>
    public static bool operator <(EntryId left, EntryId right) => left.CompareTo(right) < 0;

    /// <summary>Not after.</summary>
    public static bool operator <=(EntryId left, EntryId right) => left.CompareTo(right) <= 0;

    /// <summary>After.</summary>
    public static bool operator >(EntryId left, EntryId right) => left.CompareTo(right) > 0;

    /// <summary>Not before.</summary>
    public static bool operator >=(EntryId left, EntryId right) => left.CompareTo(right) >= 0;
}
