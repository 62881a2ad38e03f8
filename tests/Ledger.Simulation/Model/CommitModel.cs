using System.Collections.Immutable;
using Ledger.Commits;
using Ledger.Objects;
using Ledger.Runtime;

namespace Ledger.Simulation.Model;

/// <summary>Who wrote a key last.</summary>
/// <param name="Commit">In which commit.</param>
/// <param name="Id">The write; 0 when the key was deleted.</param>
internal readonly record struct Writer(CommitModel Commit, long Id);

/// <summary>A commit as the model knows it.</summary>
internal sealed class CommitModel
{
    private ImmutableSortedDictionary<int, Writer>? _writers;

    public required CommitId Id { get; init; }

    public required ObjectId Root { get; init; }

    public required HybridTimestamp Timestamp { get; init; }

    public required long Generation { get; init; }

    /// <summary>Number of the device that made it; -1 for an automatic merge, and for genesis.</summary>
    public required int Device { get; init; }

    public required ImmutableArray<CommitModel> Parents { get; init; }

    /// <summary>What it changed: write ids by key, 0 for a delete. Of an edit only.</summary>
    public required IReadOnlyList<KeyValuePair<int, long>> Writes { get; init; }

    /// <summary>A root that was computed from the entries that the model expects, and compared.</summary>
    public bool IsRootChecked { get; set; }

    /// <summary>For each key, its newest writer among the ancestors and this commit.</summary>
    public ImmutableSortedDictionary<int, Writer> Writers()
    {
        // Without recursion: histories are long.
        var pending = new Stack<CommitModel>([this]);
        while (pending.TryPeek(out var next))
        {
            var missing = next._writers is null ? next.Parents.Where(parent => parent._writers is null).ToArray() : [];
            foreach (var parent in missing)
            {
                pending.Push(parent);
            }

            if (missing.Length == 0)
            {
                next._writers ??= next.FindWriters();
                pending.Pop();
            }
        }

        return _writers!;
    }

    private ImmutableSortedDictionary<int, Writer> FindWriters()
    {
        if (Parents.Length == 0)
        {
            return ImmutableSortedDictionary<int, Writer>.Empty;
        }

        if (Parents.Length == 1)
        {
            var edited = Parents[0]._writers!.ToBuilder();
            foreach (var (key, write) in Writes)
            {
                edited[key] = new Writer(this, write);
            }

            return edited.ToImmutable();
        }

        var joined = Parents[0]._writers!.ToBuilder();
        foreach (var parent in Parents.Skip(1))
        {
            foreach (var (key, writer) in parent._writers!)
            {
                if (!joined.TryGetValue(key, out var other) || Compare(writer.Commit, other.Commit) > 0)
                {
                    joined[key] = writer;
                }
            }
        }

        if (Device >= 0)
        {
            // A merge that somebody asked for has written what it does not share with all its parents.
            foreach (var (key, writer) in joined.ToArray())
            {
                if (Parents.Any(parent => IdIn(parent._writers!, key) != writer.Id))
                {
                    joined[key] = new Writer(this, writer.Id);
                }
            }
        }

        return joined.ToImmutable();
    }

    public override string ToString() => $"commit {Id} ({Timestamp.Value:x}, generation {Generation})";

    private static long IdIn(ImmutableSortedDictionary<int, Writer> writers, int key) =>
        writers.TryGetValue(key, out var writer) ? writer.Id : 0;

    // The order of docs/merging.md.
    private static int Compare(CommitModel left, CommitModel right)
    {
        if (left == right)
        {
            return 0;
        }

        var order = left.Timestamp.CompareTo(right.Timestamp);
        order = order != 0 ? order : (left.Device < 0).CompareTo(right.Device < 0);
        order = order == 0 && left.Device < 0 ? left.Generation.CompareTo(right.Generation) : order;
        return order != 0 ? order : left.Id.CompareTo(right.Id);
    }
}
