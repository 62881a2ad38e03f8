using System.Globalization;
using System.Text;
using Ledger.Streams;
using Ledger.Streams.Sqlite;

namespace Ledger.EndToEnd.Streams;

/// <summary>A process that appends to a SQLite file until it is killed, and says what was acknowledged.</summary>
internal static class StreamChild
{
    /// <summary>Entries of one append.</summary>
    public const int BatchEntries = 3;

    /// <summary>Runs until it is killed.</summary>
    /// <param name="arguments">The file, the writer's name, and the number of its first batch.</param>
    public static async Task<int> RunAsync(string[] arguments)
    {
        await using var store = new SqliteStreamStore(new() { DataSource = arguments[0], Store = "events" });
        await using var output = Console.OpenStandardOutput();
        for (var batch = int.Parse(arguments[2], CultureInfo.InvariantCulture); ; batch++)
        {
            await store.AppendAsync(arguments[1], [.. Enumerable.Range(0, BatchEntries).Select(index => new NewEntry(
                Encoding.ASCII.GetBytes($"{batch}.{index}")) { DedupKey = $"{batch}.{index}" })]);
            output.Write(Encoding.ASCII.GetBytes($"{batch}\n"));
        }
    }
}
