using System.Globalization;
using System.Text;
using Ledger.Pages;

namespace Ledger.EndToEnd.Sync;

/// <summary>A device that writes and synchronises until it is killed, and says what was acknowledged.</summary>
internal static class SyncChild
{
    /// <summary>Keys that every device writes.</summary>
    public const int SharedKeys = 20;

    /// <summary>Pages that every device writes to, by their last byte.</summary>
    public static PageId PageOf(int number) =>
        PageId.TryParse($"{new string('a', 31)}{number % 3}", out var id) && number % 3 != 0 ? id : PageId.Root;

    /// <summary>Runs until it is killed.</summary>
    /// <param name="arguments">The repository, the device's name, and the number of its first put.</param>
    public static async Task<int> RunAsync(string[] arguments)
    {
        await using var repository = await Repository.OpenAsync(
            arguments[0], new RepositoryOptions { CreateIfMissing = false });
        var ledger = await repository.GetLedgerAsync("default");
        await using var sync = await repository.StartSyncAsync();
        await using var output = Console.OpenStandardOutput();
        var random = new Random(arguments[1].Length);
        for (var number = int.Parse(arguments[2], CultureInfo.InvariantCulture); ; number++)
        {
            await using var page = await ledger.GetPageAsync(PageOf(number));
            await using (var transaction = await page.BeginTransactionAsync())
            {
                await transaction.PutAsync(Text($"{arguments[1]}/{number}"), Text($"{number}"));
                await transaction.PutAsync(
                    Text($"shared/{random.Next(SharedKeys)}"), Text($"{arguments[1]} {number}"));
                await transaction.CommitAsync();
            }

            output.Write(Text($"{number}\n"));
        }
    }

    private static byte[] Text(string text) => Encoding.ASCII.GetBytes(text);
}
