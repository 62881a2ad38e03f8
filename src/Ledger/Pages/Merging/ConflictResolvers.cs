namespace Ledger.Pages.Merging;

/// <summary>
/// Ready-made resolvers, for <see cref="MergePolicy.Custom"/>; docs/merging.md says what each promises.
/// </summary>
/// <remarks>
/// Each decides the keys under a prefix and leaves the others, and values that it cannot read, to their newest writer.
/// All are deterministic.
/// </remarks>
public static class ConflictResolvers
{
    /// <summary>Values are JSON objects: each field, at any depth, takes what its newest writer wrote.</summary>
    /// <param name="prefix">Only keys that begin with it; empty for all.</param>
    public static IConflictResolver JsonFields(ReadOnlyMemory<byte> prefix = default) =>
        new JsonFieldResolver(prefix.ToArray());

    /// <summary>
    /// Values are JSON arrays that stand for sets: each element is in when its newest writer put it in.
    /// </summary>
    /// <param name="prefix">Only keys that begin with it; empty for all.</param>
    public static IConflictResolver SetUnion(ReadOnlyMemory<byte> prefix = default) =>
        new SetUnionResolver(prefix.ToArray());

    /// <summary>Values are whole numbers in decimal: what each commit added or took away is added up once.</summary>
    /// <param name="prefix">Only keys that begin with it; empty for all.</param>
    public static IConflictResolver Counter(ReadOnlyMemory<byte> prefix = default) =>
        new CounterResolver(prefix.ToArray());

    /// <summary>Values are decimal numbers: the greater one stays.</summary>
    /// <param name="prefix">Only keys that begin with it; empty for all.</param>
    public static IConflictResolver Maximum(ReadOnlyMemory<byte> prefix = default) =>
        new MaximumResolver(prefix.ToArray());

    /// <summary>
    /// The newest writer's value stays under the key; the other one goes under the key followed by <c>~</c> and eight
    /// hexadecimal digits of its hash.
    /// </summary>
    /// <param name="prefix">Only keys that begin with it; empty for all.</param>
    public static IConflictResolver KeepBoth(ReadOnlyMemory<byte> prefix = default) =>
        new KeepBothResolver(prefix.ToArray());

    /// <summary>Asks several, one after the other; the last answer for a key counts.</summary>
    /// <param name="resolvers">One or more.</param>
    public static IConflictResolver Combine(params IReadOnlyList<IConflictResolver> resolvers) =>
        new CombinedResolver([.. resolvers]);
}
