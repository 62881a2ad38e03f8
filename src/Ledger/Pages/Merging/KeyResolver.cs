namespace Ledger.Pages.Merging;

/// <summary>Decides key by key, where both sides have written.</summary>
/// <param name="name">Name of the resolver.</param>
/// <param name="prefix">The keys that it decides.</param>
internal abstract class KeyResolver(string name, ReadOnlyMemory<byte> prefix) : IConflictResolver
{
    /// <inheritdoc/>
    public string Name => name;

    /// <inheritdoc/>
    public async Task ResolveAsync(MergeContext context, CancellationToken cancellationToken)
    {
        await foreach (var entry in context.GetFullDiffAsync(cancellationToken))
        {
            if (!entry.Key.Span.StartsWith(prefix.Span))
            {
                continue;
            }

            var writes = await context.GetWritesAsync(entry.Key, cancellationToken).ToListAsync(cancellationToken);
            var hasLeft = writes.Exists(write => write.Side == MergeSide.Left);
            var hasRight = writes.Exists(write => write.Side == MergeSide.Right);
            if (hasLeft && hasRight)
            {
                await DecideAsync(context, entry, writes, cancellationToken);
            }
            else if (hasRight)
            {
                await context.TakeRightAsync(entry.Key, cancellationToken);
            }
            else if (hasLeft)
            {
                // Nobody wrote on the other side, so that what this side has covers both.
                await context.TakeLeftAsync(entry.Key, cancellationToken);
            }
        }
    }

    /// <summary>Decides a key that both sides have written; or leaves it to its newest writer.</summary>
    /// <param name="context">Takes the answer.</param>
    /// <param name="entry">The key.</param>
    /// <param name="writes">Who wrote it, oldest writer first.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    protected abstract ValueTask DecideAsync(
        MergeContext context, MergeEntry entry, List<KeyWrite> writes, CancellationToken cancellationToken);

    /// <summary>Gives a key a value; one that is too large for an entry is left to the newest writer.</summary>
    protected static async ValueTask PutAsync(
        MergeContext context, MergeEntry entry, List<KeyWrite> writes, byte[] value,
        CancellationToken cancellationToken)
    {
        if (value.Length > PageValues.DirectSizeBytesMax)
        {
            await TakeNewestAsync(context, entry, writes, cancellationToken);
            return;
        }

        await context.PutAsync(entry.Key, value, PriorityOf(writes), cancellationToken);
    }

    /// <summary>Leaves a key to its newest writer.</summary>
    protected static async ValueTask TakeNewestAsync(
        MergeContext context, MergeEntry entry, List<KeyWrite> writes, CancellationToken cancellationToken)
    {
        if (writes[^1].After is not { } after)
        {
            await context.DeleteAsync(entry.Key, cancellationToken);
        }
        else if (after.Value is { } value)
        {
            await context.PutAsync(entry.Key, value, after.Priority, cancellationToken);
        }
    }

    /// <summary>The priority that the newest writer gave.</summary>
    private static Trees.EntryPriority PriorityOf(List<KeyWrite> writes) =>
        writes.LastOrDefault(write => write.After is not null)?.After?.Priority ?? Trees.EntryPriority.Eager;
}

/// <summary>Asks several resolvers one after the other.</summary>
/// <param name="resolvers">One or more.</param>
internal sealed class CombinedResolver(IConflictResolver[] resolvers) : IConflictResolver
{
    /// <summary>Whether none of them is the application's.</summary>
    public bool AreOurs =>
        Array.TrueForAll(resolvers, each => each is KeyResolver or CombinedResolver { AreOurs: true });

    /// <inheritdoc/>
    public string Name => string.Join('+', resolvers.Select(resolver => resolver.Name));

    /// <inheritdoc/>
    public async Task ResolveAsync(MergeContext context, CancellationToken cancellationToken)
    {
        foreach (var resolver in resolvers)
        {
            await resolver.ResolveAsync(context, cancellationToken);
        }
    }
}
