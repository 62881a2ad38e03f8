using System.Globalization;
using System.Text;
using Ledger.Streams;
using Ledger.Streams.Relational;

namespace Ledger.EndToEnd.Streams;

/// <summary>A process that appends until it is killed, or follows, and says what was acknowledged or seen.</summary>
internal static class StreamChild
{
    /// <summary>Entries of one append.</summary>
    public const int BatchEntries = 3;

    /// <summary>Runs until it is killed.</summary>
    /// <param name="arguments">
    /// The database, the writer's name, and the number of its first batch; or the database and <c>follow</c>.
    /// </param>
    public static async Task<int> RunAsync(string[] arguments)
    {
        await using var store = StreamDatabase.Open(arguments[0]);
        await using var output = Console.OpenStandardOutput();
        if (arguments[1] == "follow")
        {
            await FollowAsync(store, output);
        }

        for (var batch = int.Parse(arguments[2], CultureInfo.InvariantCulture); ; batch++)
        {
            await store.AppendAsync(arguments[1], [.. Enumerable.Range(0, BatchEntries).Select(index => new NewEntry(
                Encoding.ASCII.GetBytes($"{batch}.{index}")) { DedupKey = $"{batch}.{index}" })]);
            output.Write(Encoding.ASCII.GetBytes($"{batch}\n"));
        }
    }

    private static async Task FollowAsync(RelationalStreamStore store, Stream output)
    {
        await foreach (var item in store.SubscribeAllAsync())
        {
            var line = item is EntryItem<Entry> { Entry: { } entry }
                ? Encoding.ASCII.GetString(entry.Payload.Span) : "caught up";
            output.Write(Encoding.ASCII.GetBytes($"{line}\n"));
        }
    }
}
