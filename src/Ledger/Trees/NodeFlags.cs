using Ledger.Objects;

namespace Ledger.Trees;

/// <summary>What is somewhere below a node; the numbers are on disk (docs/formats/tree.md).</summary>
[Flags]
internal enum NodeFlags : byte
{
    /// <summary>Only eager, inline values.</summary>
    None = 0,

    /// <summary>At least one value is an object.</summary>
    HasObjects = 1,

    /// <summary>At least one value, inline or not, is lazy.</summary>
    HasLazy = 2,

    /// <summary>Every flag there is.</summary>
    All = HasObjects | HasLazy,
}

/// <summary>What an inner node says of a child, besides its last key.</summary>
/// <param name="Id">The child.</param>
/// <param name="EntryCount">Leaf entries in its subtree, 1 to <see cref="NodeFormat.EntryCountMax"/>.</param>
/// <param name="Flags">What is in its subtree.</param>
internal readonly record struct NodeReference(ObjectId Id, long EntryCount, NodeFlags Flags);

/// <summary>What an entry adds to the node that it is in.</summary>
/// <param name="Weight">For the cuts (docs/formats/tree.md).</param>
/// <param name="EntryCount">Leaf entries that it stands for.</param>
/// <param name="Flags">What is in it, or below it.</param>
internal readonly record struct EntryMeasure(int Weight, long EntryCount, NodeFlags Flags);
