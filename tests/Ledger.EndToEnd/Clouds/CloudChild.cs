using System.Globalization;
using System.Text;
using Ledger.Commits;
using Ledger.Runtime;
using Ledger.Sync;

namespace Ledger.EndToEnd.Clouds;

/// <summary>A process that appends to a cloud in a directory, one entry after another, and says which.</summary>
internal static class CloudChild
{
    /// <summary>The ledger that all processes append to.</summary>
    public static LedgerName Ledger => new(1);

    /// <summary>Runs until it has appended all, or is killed.</summary>
    /// <param name="arguments">Directory, number of the writer, first entry, number of entries.</param>
    public static async Task<int> RunAsync(string[] arguments)
    {
        var numbers = arguments[1..].Select(text => int.Parse(text, CultureInfo.InvariantCulture)).ToArray();
        var (writer, first, count) = (numbers[0], numbers[1], numbers[2]);
        await using var cloud = await DirectoryCloud.OpenAsync(
            LedgerRuntime.CreateSystem(), arguments[0], create: true, default);
        await using var output = Console.OpenStandardOutput();
        for (var number = first; number < first + count; number++)
        {
            var page = new PageName((UInt128)(writer % 2));
            await cloud.AppendAsync(Ledger, page, [EntryOf(writer, number)], null, default);
            output.Write(Encoding.ASCII.GetBytes($"{number}\n"));
        }

        return 0;
    }

    /// <summary>An entry, the same in every process.</summary>
    public static CloudEntry EntryOf(int writer, int number)
    {
        var content = new byte[200 + number];
        new Random((writer * 100_000) + number).NextBytes(content);
        var id = new EntryId((UInt128)((writer * 100_000) + number + 1));
        return new CloudEntry(id, new DeviceId((UInt128)(writer + 1)), number, content);
    }
}
