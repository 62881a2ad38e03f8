namespace Ledger.Streams.Relational;

/// <summary>Where the databases differ.</summary>
internal abstract class RelationalDialect
{
    /// <summary>
    /// Marks of renames are numbers from 0 to this; twice a mark and one more is a signed 64-bit number.
    /// </summary>
    public const ulong RenameMarkMax = (1UL << 62) - 1;

    /// <summary>The expression of an entry's position.</summary>
    public abstract string Position { get; }

    /// <summary>The shared tables, before their names.</summary>
    public abstract string Schema { get; }

    /// <summary>What locks the rows of a SELECT, when one statement does not hold the lock on everything.</summary>
    public abstract string ForUpdate { get; }

    /// <summary>
    /// Whether a stream's row is written with some of its appends only: then the entries after its end are not in its
    /// count, and the last of them is the stream's end; and the last position given out is that of the last entry, or
    /// what the store's row says, whichever is more.
    /// </summary>
    public virtual bool CountsLate => false;

    /// <summary>
    /// Whether each rename of a stream leaves a new mark in <c>ledger_renames</c>, for those who remember names.
    /// </summary>
    public virtual bool MarksRenames => false;

    /// <summary>A parameter of JSON text, as the columns of tags, metadata and annotations take it.</summary>
    public virtual string Json(string parameter) => parameter;

    /// <summary>True when an entry has one of the tags.</summary>
    public abstract string HasTag(string parameter);

    /// <summary>True when a JSON object of an entry has a key with a value.</summary>
    public abstract string HasPair(string column, string key, string value);

    /// <summary>True when the search column has a piece.</summary>
    public abstract string HasText(string parameter);

    /// <summary>True when the entry has the words.</summary>
    public abstract string HasWords(int store, string parameter);

    /// <summary>The words of a full-text query, as the database wants them; null when there are none.</summary>
    public abstract string? Words(string query);

    /// <summary>A name as an identifier.</summary>
    public static string Quote(string name) => $"\"{name}\"";
}
