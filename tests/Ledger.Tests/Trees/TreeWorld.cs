using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Trees;

namespace Ledger.Tests.Trees;

/// <summary>A tree on a store in memory that counts reads and puts.</summary>
internal sealed class TreeWorld(TreeSalt salt, long cacheSizeBytes = 64 * 1024 * 1024)
{
    public static readonly TreeSalt Salt = new(0x0706050403020100, 0x0F0E0D0C0B0A0908);

    public TreeWorld()
        : this(Salt)
    {
    }

    public CountingObjectStore Store { get; } = new(new MemoryObjectStore());

    public Tree Tree => field ??= NewTree();

    /// <summary>The same store with an empty cache of the same size.</summary>
    public Tree NewTree() => new(Store, salt, cacheSizeBytes);

    /// <summary>Applies changes and stores the new tree.</summary>
    public async Task<ObjectId> ApplyAsync(ObjectId root, IEnumerable<TreeChange> changes, Tree? tree = null)
    {
        tree ??= Tree;
        using var hold = await EditAsync(tree, root, changes);
        await tree.WriteBack.RunAsync(default);
        return hold.Root;
    }

    /// <summary>Applies changes and keeps the new tree in memory.</summary>
    public static async Task<HeldTree> EditAsync(Tree tree, ObjectId root, IEnumerable<TreeChange> changes)
    {
        using var batch = tree.WriteBack.BeginBatch();
        var result = await tree.ApplyAsync(root, changes, batch, default);
        return new HeldTree(result, (await tree.TryHoldAsync(result, default))!);
    }

    public Task<ObjectId> BuildAsync(IEnumerable<TreeEntry> entries) =>
        ApplyAsync(Tree.EmptyRoot, Sorted(entries).Select(entry => new TreeChange(entry.Key, entry.Value)));

    public static IEnumerable<TreeEntry> Sorted(IEnumerable<TreeEntry> entries) =>
        entries.OrderBy(entry => entry.Key, KeyOrder.Instance);

    public NaiveResult BuildNaive(IEnumerable<TreeEntry> entries) =>
        NaiveTree.Build(entries.Select(ToNaive), salt.K0, salt.K1);

    private static NaiveEntry ToNaive(TreeEntry entry)
    {
        var value = entry.Value;
        byte[]? id = null;
        if (!value.IsInline)
        {
            id = new byte[32];
            value.Id.CopyHashTo(id);
        }

        return new NaiveEntry(
            entry.Key.ToArray(),
            value.Priority == EntryPriority.Lazy,
            value.IsInline ? value.Inline.ToArray() : null,
            id,
            value.SizeBytes);
    }
}

/// <summary>A root and the hold on it.</summary>
internal sealed record HeldTree(ObjectId Root, TreeHold Hold) : IDisposable
{
    public void Dispose() => Hold.Dispose();
}

/// <summary>Order of keys as unsigned bytes.</summary>
internal sealed class KeyOrder : IComparer<ReadOnlyMemory<byte>>
{
    public static readonly KeyOrder Instance = new();

    public int Compare(ReadOnlyMemory<byte> x, ReadOnlyMemory<byte> y) => x.Span.SequenceCompareTo(y.Span);
}
