using System.Data.Common;

namespace Ledger.Benchmarks.Stores;

/// <summary>Reads rows as an application does that wants every column.</summary>
internal static class RowReading
{
    /// <summary>Reads them all.</summary>
    /// <returns>How many there were.</returns>
    public static int Read(DbDataReader reader)
    {
        var rows = 0;
        while (reader.Read())
        {
            for (var column = 0; column < reader.FieldCount; column++)
            {
                _ = reader.IsDBNull(column) ? null : reader.GetValue(column);
            }

            rows++;
        }

        return rows;
    }
}
