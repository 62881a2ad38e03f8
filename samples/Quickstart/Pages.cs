using System.Text;
using Ledger;
using Ledger.Pages;

namespace Quickstart;

/// <summary>What the README shows of pages.</summary>
public static class Pages
{
    /// <summary>Puts two keys into a page, and reads back what it has and how it came to have it.</summary>
    /// <param name="directory">Of the repository, which is made.</param>
    public static async Task<IReadOnlyList<string>> RunAsync(string directory)
    {
        await using var repository = await Repository.OpenAsync(directory);
        ILedger ledger = await repository.GetLedgerAsync("notes");
        await using IPage page = await ledger.GetPageAsync(PageId.Root);

        await page.PutAsync("title"u8.ToArray(), "Shopping"u8.ToArray());
        await using (var transaction = await page.BeginTransactionAsync())
        {
            await transaction.PutAsync("item/1"u8.ToArray(), "bread"u8.ToArray());
            await transaction.CommitAsync(message: "first item");
        }

        var lines = new List<string>();
        await using var snapshot = await page.GetSnapshotAsync();
        await foreach (var entry in snapshot.GetEntriesAsync())
        {
            var value = entry.Value ?? throw new InvalidDataException("A value is not here yet.");
            lines.Add($"{Encoding.UTF8.GetString(entry.Key.Span)} = {Encoding.UTF8.GetString(value.Span)}");
        }

        return lines;
    }
}
