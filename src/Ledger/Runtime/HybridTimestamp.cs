using System.Globalization;

namespace Ledger.Runtime;

/// <summary>A point in a page's hybrid time: the wall clock where it moved on, a counter where it did not.</summary>
/// <param name="Value">48 bits of milliseconds since the Unix epoch, then 16 bits of counter.</param>
public readonly record struct HybridTimestamp(ulong Value) : IComparable<HybridTimestamp>
{
    /// <summary>The latest wall clock that a timestamp can hold: some 8,900 years after 1970.</summary>
    public const long MillisecondsMax = (1L << 48) - 1;

    private const int CounterBits = 16;

    /// <summary>The least of all, the timestamp of genesis.</summary>
    public static HybridTimestamp Zero => default;

    /// <summary>Milliseconds since the Unix epoch, 0 to <see cref="MillisecondsMax"/>.</summary>
    public long Milliseconds => (long)(Value >> CounterBits);

    /// <summary>Tells apart what happened within a millisecond, or while the clock did not move on.</summary>
    public int Counter => (int)(Value & ((1 << CounterBits) - 1));

    /// <summary>The first timestamp of a millisecond.</summary>
    /// <param name="milliseconds">Since the Unix epoch, 0 to <see cref="MillisecondsMax"/>.</param>
    public static HybridTimestamp FromWallClock(long milliseconds)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(milliseconds);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(milliseconds, MillisecondsMax);
        return new((ulong)milliseconds << CounterBits);
    }

    /// <summary>The later of two.</summary>
    public static HybridTimestamp Max(HybridTimestamp left, HybridTimestamp right) => left >= right ? left : right;

    /// <summary>The least timestamp after this one: a counter that is full carries into the milliseconds.</summary>
    /// <exception cref="OverflowException">This is the last timestamp there is.</exception>
    public HybridTimestamp Next() => new(checked(Value + 1));

    /// <summary>The wall clock part; the end of the calendar when it lies beyond.</summary>
    public DateTimeOffset ToDateTimeOffset() =>
        Milliseconds <= DateTimeOffset.MaxValue.ToUnixTimeMilliseconds()
            ? DateTimeOffset.FromUnixTimeMilliseconds(Milliseconds)
            : DateTimeOffset.MaxValue;

    /// <inheritdoc/>
    public int CompareTo(HybridTimestamp other) => Value.CompareTo(other.Value);

    /// <summary>Milliseconds and counter in decimal, with a point between: <c>1735787045678.5</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Milliseconds}.{Counter}");

    /// <summary>Earlier.</summary>
    public static bool operator <(HybridTimestamp left, HybridTimestamp right) => left.Value < right.Value;

    /// <summary>Earlier or the same.</summary>
    public static bool operator <=(HybridTimestamp left, HybridTimestamp right) => left.Value <= right.Value;

    /// <summary>Later.</summary>
    public static bool operator >(HybridTimestamp left, HybridTimestamp right) => left.Value > right.Value;

    /// <summary>Later or the same.</summary>
    public static bool operator >=(HybridTimestamp left, HybridTimestamp right) => left.Value >= right.Value;
}
