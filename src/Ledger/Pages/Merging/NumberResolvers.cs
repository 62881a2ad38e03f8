using System.Globalization;
using System.Numerics;
using System.Text;

namespace Ledger.Pages.Merging;

/// <summary>Adds up what each commit added: every commit once, however the histories cross.</summary>
/// <param name="prefix">The keys that it decides.</param>
internal sealed class CounterResolver(ReadOnlyMemory<byte> prefix) : KeyResolver("counter", prefix)
{
    private const int DigitsMax = 512;

    /// <inheritdoc/>
    protected override async ValueTask DecideAsync(
        MergeContext context, MergeEntry entry, List<KeyWrite> writes, CancellationToken cancellationToken)
    {
        // The left side has the sum of all that it and the common history added.
        if (Read(entry.Left) is not { } sum)
        {
            await TakeNewestAsync(context, entry, writes, cancellationToken);
            return;
        }

        foreach (var write in writes.Where(write => write.Side == MergeSide.Right))
        {
            if (Read(write.Before) is not { } before || Read(write.After) is not { } after)
            {
                await TakeNewestAsync(context, entry, writes, cancellationToken);
                return;
            }

            sum += after - before;
        }

        if (writes.TrueForAll(write => write.After is null))
        {
            await context.DeleteAsync(entry.Key, cancellationToken);
            return;
        }

        var value = Encoding.UTF8.GetBytes(sum.ToString(CultureInfo.InvariantCulture));
        await PutAsync(context, entry, writes, value, cancellationToken);
    }

    // An absent counter stands at zero.
    private static BigInteger? Read(Entry? entry) =>
        entry is not { } present ? BigInteger.Zero
        : present.Value is { Length: <= DigitsMax } value && BigInteger.TryParse(
            Encoding.UTF8.GetString(value.Span), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture,
            out var number)
            ? number
            : null;
}

/// <summary>Keeps the greater number.</summary>
/// <param name="prefix">The keys that it decides.</param>
internal sealed class MaximumResolver(ReadOnlyMemory<byte> prefix) : KeyResolver("maximum", prefix)
{
    private const int DigitsMax = 64;

    /// <inheritdoc/>
    protected override async ValueTask DecideAsync(
        MergeContext context, MergeEntry entry, List<KeyWrite> writes, CancellationToken cancellationToken)
    {
        if (Read(entry.Left) is not { } left || Read(entry.Right) is not { } right)
        {
            await TakeNewestAsync(context, entry, writes, cancellationToken);
            return;
        }

        // Two ways to write one number: the order of the bytes decides, on every device the same.
        var order = left.CompareTo(right);
        order = order != 0 || entry.Left?.Value is not { } leftBytes || entry.Right?.Value is not { } rightBytes
            ? order
            : leftBytes.Span.SequenceCompareTo(rightBytes.Span);
        await (order >= 0
            ? context.TakeLeftAsync(entry.Key, cancellationToken)
            : context.TakeRightAsync(entry.Key, cancellationToken));
    }

    private static decimal? Read(Entry? entry) =>
        entry?.Value is { Length: <= DigitsMax } value && decimal.TryParse(
            Encoding.UTF8.GetString(value.Span), NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            ? number
            : null;
}
