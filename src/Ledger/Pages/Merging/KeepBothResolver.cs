using Ledger.Objects;
using Ledger.Trees;

namespace Ledger.Pages.Merging;

/// <summary>Keeps the older writer's value too, under a key of its own.</summary>
/// <param name="prefix">The keys that it decides.</param>
internal sealed class KeepBothResolver(ReadOnlyMemory<byte> prefix) : KeyResolver("keep-both", prefix)
{
    private const int SuffixHashBytes = 4;
    private const int SuffixSizeBytes = 1 + (2 * SuffixHashBytes);

    /// <inheritdoc/>
    protected override async ValueTask DecideAsync(
        MergeContext context, MergeEntry entry, List<KeyWrite> writes, CancellationToken cancellationToken)
    {
        if (entry is not { Left: { } left, Right: { } right })
        {
            // One side deleted it: there is one value to keep.
            await (entry.Left is null
                ? context.TakeRightAsync(entry.Key, cancellationToken)
                : context.TakeLeftAsync(entry.Key, cancellationToken));
            return;
        }

        if (left.Value is not { } leftValue || right.Value is not { } rightValue ||
            leftValue.Span.SequenceEqual(rightValue.Span))
        {
            return;
        }

        var isLeftNewest = writes[^1].After?.Value is not { } newest || newest.Span.SequenceEqual(leftValue.Span);
        var (other, priority) = isLeftNewest ? (rightValue, right.Priority) : (leftValue, left.Priority);
        await (isLeftNewest
            ? context.TakeLeftAsync(entry.Key, cancellationToken)
            : context.TakeRightAsync(entry.Key, cancellationToken));
        await context.PutAsync(KeyOf(entry.Key, other), other, priority, cancellationToken);
    }

    private static byte[] KeyOf(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value)
    {
        Span<byte> hash = stackalloc byte[ObjectId.HashSizeBytes];
        Blake3.Hash(value.Span, hash);
        var kept = key[..Math.Min(key.Length, TreeProfile.KeySizeBytesMax - SuffixSizeBytes)];
        var suffix = System.Text.Encoding.ASCII.GetBytes($"~{Convert.ToHexStringLower(hash[..SuffixHashBytes])}");
        return [.. kept.Span, .. suffix];
    }
}
