using System.Globalization;
using System.Text;
using Ledger.Conformance.Streams;
using Ledger.Streams;

namespace Ledger.EndToEnd.Streams;

/// <summary>A process that appends until it is killed, or follows, and says what was acknowledged or seen.</summary>
internal static class StreamChild
{
    /// <summary>Runs until it is killed.</summary>
    /// <param name="arguments">
    /// The database, the writer's name, and the number of its first batch; or the database and <c>follow</c>.
    /// </param>
    public static async Task<int> RunAsync(string[] arguments)
    {
        await using var store = await StreamDatabase.OpenAnyAsync(arguments[0]);
        await using var output = Console.OpenStandardOutput();
        if (arguments[1] == "follow")
        {
            await FollowAsync(store, output);
        }

        await StreamKillConformance.AppendAsync(
            store, arguments[1], int.Parse(arguments[2], CultureInfo.InvariantCulture),
            batch => output.Write(Encoding.ASCII.GetBytes($"{batch}\n")));
        return 0;
    }

    private static async Task FollowAsync(IStreamStore store, Stream output)
    {
        await foreach (var item in store.SubscribeAllAsync())
        {
            var line = item is EntryItem<Entry> { Entry: { } entry }
                ? Encoding.ASCII.GetString(entry.Payload.Span) : "caught up";
            output.Write(Encoding.ASCII.GetBytes($"{line}\n"));
        }
    }
}
