using Ledger.Streams.Relational;

namespace Ledger.Streams.Postgres;

/// <summary>Gives words to entries that were written without them.</summary>
internal static class PostgresWords
{
    private const int PageEntries = 1_000;

    /// <summary>Gives every entry with text its words, except those that somebody is just changing.</summary>
    /// <remarks>Each is a transaction of its own: nothing is held up, and what was done stays done.</remarks>
    public static async ValueTask FillAsync(
        RelationalSession session, PostgresTable table, CancellationToken cancellationToken)
    {
        for (var after = 0L; ;)
        {
            var rows = await session.ListAsync(
                table.FindUnindexed, [after, PageEntries], row => (Id: row.GetInt64(0), Search: row.GetString(1)),
                cancellationToken);
            foreach (var row in rows)
            {
                await session.ExecuteAsync(
                    table.SetWords, [row.Id, PostgresText.Words(row.Search) ?? ""], cancellationToken);
                after = row.Id;
            }

            if (rows.Count < PageEntries)
            {
                return;
            }
        }
    }
}
