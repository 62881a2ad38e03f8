using Ledger.Objects;

namespace Ledger.Commits;

/// <summary>Names the stored changes of a commit against one parent, in key order.</summary>
/// <param name="Id">The list, or the index above several; none when there are no changes.</param>
/// <param name="Level">0 for one list; otherwise the levels of indexes.</param>
/// <param name="Count">Number of changes.</param>
internal readonly record struct ChangeList(ObjectId Id, int Level, long Count)
{
    /// <summary>No changes.</summary>
    public static ChangeList Empty => default;

    /// <summary>Kind of the object that <see cref="Id"/> names.</summary>
    public ObjectKind Kind => Level == 0 ? ObjectKind.ChangeList : ObjectKind.ChangeIndex;
}
