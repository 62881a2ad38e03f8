using System.Text;
using Ledger.Streams.Relational;

namespace Ledger.Streams.Sqlite;

/// <summary>SQLite's ways, kept to what 3.35 has.</summary>
internal sealed class SqliteDialect : RelationalDialect
{
    /// <summary>One writer gives out ids in the order of commit, so that an id is a position.</summary>
    public override string Position => "e.id";

    public override string Schema => "";

    public override string ForUpdate => "";

    /// <summary>Each row that a commit changes is a page of the log: an append changes its entry's only.</summary>
    public override bool CountsLate => true;

    public override string HasTag(string parameter) =>
        $"EXISTS (SELECT 1 FROM json_each(e.tags) t WHERE t.value = {parameter})";

    public override string HasPair(string column, string key, string value) =>
        $"EXISTS (SELECT 1 FROM json_each({column}) t WHERE t.key = {key} AND t.value = {value})";

    public override string HasText(string parameter) => $"instr(e.search, {parameter}) > 0";

    public override string HasWords(int store, string parameter) =>
        $"e.id IN (SELECT rowid FROM ledger_{store}_text WHERE ledger_{store}_text MATCH {parameter})";

    public override string? Words(string query)
    {
        // Each word quoted: no operator of the index's own language is left.
        var words = new StringBuilder();
        foreach (var word in query.Split([.. query.Where(c => !char.IsLetterOrDigit(c) && !char.IsSurrogate(c))],
            StringSplitOptions.RemoveEmptyEntries))
        {
            words.Append(words.Length == 0 ? "\"" : " \"").Append(word).Append('"');
        }

        return words.Length == 0 ? null : words.ToString();
    }
}
