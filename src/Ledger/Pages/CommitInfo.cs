using Ledger.Commits;
using Ledger.Objects;

namespace Ledger.Pages;

/// <summary>One state of a page and how it was reached, as history shows it. Never changes.</summary>
/// <param name="Id">The commit.</param>
/// <param name="Root">Root node of the page's tree.</param>
/// <param name="Parents">None for the state that every page begins with, one for an edit, more for a merge;
/// ascending.</param>
/// <param name="Generation">1 + the largest of the parents'; 0 for the state that every page begins with.</param>
/// <param name="Time">The author's wall clock; null when the commit has no author.</param>
/// <param name="Device">32 hexadecimal digits of the device that wrote it; null when the commit has no author.</param>
/// <param name="Message">What the author said of it, or null.</param>
/// <param name="Changes">Number of keys changed against the first parent; 0 where that is not stored.</param>
public sealed record CommitInfo(
    CommitId Id, ObjectId Root, IReadOnlyList<CommitId> Parents, long Generation, DateTimeOffset? Time, string? Device,
    string? Message, long Changes);

/// <summary>A value that a key had, and the commit that gave it.</summary>
/// <param name="Commit">The commit that changed the key.</param>
/// <param name="Entry">The entry from then on; null when it was deleted.</param>
public sealed record KeyVersion(CommitInfo Commit, Entry? Entry);

/// <summary>Which earlier state is meant.</summary>
public abstract record AsOf
{
    private AsOf()
    {
    }

    /// <summary>The state of a commit.</summary>
    public static AsOf Commit(CommitId id) => new ByCommit(id);

    /// <summary>The newest state whose author's wall clock was not after <paramref name="time"/>.</summary>
    public static AsOf Time(DateTimeOffset time) => new ByTime(time);

    internal sealed record ByCommit(CommitId Id) : AsOf;

    internal sealed record ByTime(DateTimeOffset Instant) : AsOf;
}

/// <summary>A value streamed into the store and not put under a key yet. Gone after a restart.</summary>
/// <param name="Id">Random.</param>
public readonly record struct Reference(UInt128 Id);
