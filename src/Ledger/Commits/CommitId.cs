using System.Diagnostics.CodeAnalysis;
using Ledger.Objects;

namespace Ledger.Commits;

/// <summary>Name of a commit: the hash of its canonical bytes, which cover every field.</summary>
/// <param name="Value">The id of the commit as an object.</param>
public readonly record struct CommitId(ObjectId Value) : IComparable<CommitId>
{
    /// <summary>Reads 64 hexadecimal digits.</summary>
    /// <returns>False when <paramref name="text"/> is anything else.</returns>
    public static bool TryParse([NotNullWhen(true)] string? text, out CommitId id)
    {
        var parsed = ObjectId.TryParse(text, out var value);
        id = new CommitId(value);
        return parsed;
    }

    /// <inheritdoc/>
    public int CompareTo(CommitId other) => Value.CompareTo(other.Value);

    /// <summary>64 lower-case hexadecimal digits.</summary>
    public override string ToString() => Value.ToString();

    /// <summary>Earlier in the order of ids.</summary>
    public static bool operator <(CommitId left, CommitId right) => left.CompareTo(right) < 0;

    /// <summary>Later in the order of ids.</summary>
    public static bool operator >(CommitId left, CommitId right) => left.CompareTo(right) > 0;

    /// <summary>Not later in the order of ids.</summary>
    public static bool operator <=(CommitId left, CommitId right) => left.CompareTo(right) <= 0;

    /// <summary>Not earlier in the order of ids.</summary>
    public static bool operator >=(CommitId left, CommitId right) => left.CompareTo(right) >= 0;
}
