using Ledger.Streams.Relational;

namespace Ledger.Streams.Postgres;

/// <summary>PostgreSQL's ways.</summary>
/// <param name="schema">The schema that has the tables.</param>
internal sealed class PostgresDialect(string schema) : RelationalDialect
{
    public override string Position => "e.position";

    public override string Schema { get; } = Quote(schema) + ".";

    public override string ForUpdate => " FOR UPDATE";

    public override bool MarksRenames => true;

    public override string Json(string parameter) => $"CAST({parameter} AS jsonb)";

    public override string HasTag(string parameter) => $"jsonb_exists(e.tags, {parameter})";

    public override string HasPair(string column, string key, string value) => $"{column} ->> {key} = {value}";

    public override string HasText(string parameter) => $"strpos(e.search, {parameter}) > 0";

    public override string HasWords(int store, string parameter) => $"e.words @@ CAST({parameter} AS tsquery)";

    public override string? Words(string query) => PostgresText.Query(query);
}
