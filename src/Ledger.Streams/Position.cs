using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Ledger.Streams;

/// <summary>An entry's place in its store's order of commit: from 1, without holes except by trimming.</summary>
/// <remarks>Never changes and is never given out again. The default value, zero, is before all.</remarks>
public readonly record struct Position : IComparable<Position>, ISpanParsable<Position>
{
    /// <summary>The position with this number.</summary>
    /// <param name="value">0 or more.</param>
    public Position(long value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(value);
        Value = value;
    }

    /// <summary>The number.</summary>
    public long Value { get; }

    /// <summary>Before the first entry.</summary>
    public static Position Start => default;

    /// <inheritdoc/>
    public int CompareTo(Position other) => Value.CompareTo(other.Value);

    /// <summary>Decimal.</summary>
    public override string ToString() => Value.ToString(CultureInfo.InvariantCulture);

    /// <summary>Reads a decimal number.</summary>
    /// <exception cref="FormatException">The text is not a position.</exception>
    public static Position Parse(string s, IFormatProvider? provider = null)
    {
        ArgumentNullException.ThrowIfNull(s);
        return Parse(s.AsSpan(), provider);
    }

    /// <inheritdoc cref="Parse(string, IFormatProvider?)"/>
    public static Position Parse(ReadOnlySpan<char> s, IFormatProvider? provider = null) =>
        TryParse(s, provider, out var position)
            ? position
            : throw new FormatException($"'{s}' is not a position: that is a decimal number of 0 or more.");

    /// <summary>Reads a decimal number; false for anything else.</summary>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out Position result) =>
        TryParse(s.AsSpan(), provider, out result);

    /// <inheritdoc cref="TryParse(string?, IFormatProvider?, out Position)"/>
    public static bool TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out Position result)
    {
        var isPosition = long.TryParse(s, NumberStyles.None, CultureInfo.InvariantCulture, out var value);
        result = isPosition ? new Position(value) : default;
        return isPosition;
    }

    /// <summary>Before.</summary>
    public static bool operator <(Position left, Position right) => left.CompareTo(right) < 0;

    /// <summary>Not after.</summary>
    public static bool operator <=(Position left, Position right) => left.CompareTo(right) <= 0;

    /// <summary>After.</summary>
    public static bool operator >(Position left, Position right) => left.CompareTo(right) > 0;

    /// <summary>Not before.</summary>
    public static bool operator >=(Position left, Position right) => left.CompareTo(right) >= 0;
}
