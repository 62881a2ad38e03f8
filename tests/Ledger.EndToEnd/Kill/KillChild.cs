using System.Globalization;
using System.Text;
using Ledger.Pages;

namespace Ledger.EndToEnd.Kill;

/// <summary>The process that is killed: writes for ever, and says on standard output what was acknowledged.</summary>
internal static class KillChild
{
    private const int WritesBetweenSnapshots = 16;

    /// <summary>Runs until it is killed.</summary>
    /// <param name="arguments">Directory, seed, and the first write of each writer.</param>
    public static async Task<int> RunAsync(string[] arguments)
    {
        var seed = int.Parse(arguments[1], CultureInfo.InvariantCulture);
        await using var repository = await Repository.OpenAsync(arguments[0]);
        var ledger = await repository.GetLedgerAsync("kill");
        await using var output = Console.OpenStandardOutput();
        var turn = new Lock();
        void Acknowledge(int writer, int number)
        {
            lock (turn)
            {
                output.Write(Encoding.ASCII.GetBytes($"{writer} {number}\n"));
            }
        }

        await Task.WhenAll(Enumerable.Range(0, KillOperation.Writers).Select(writer => WriteAsync(
            ledger, writer, seed, int.Parse(arguments[2 + writer], CultureInfo.InvariantCulture), Acknowledge)));
        return 0;
    }

    private static async Task WriteAsync(
        ILedger ledger, int writer, int seed, int first, Action<int, int> acknowledge)
    {
        await using var page = await ledger.GetPageAsync(KillOperation.PageOf(writer));
        for (var number = first; number < int.MaxValue; number++)
        {
            var operation = KillOperation.Of(seed, writer, number);
            await (writer switch
            {
                0 => PutAsync(page, operation),
                1 => TransactAsync(page, operation),
                _ => StreamAsync(page, operation),
            });
            acknowledge(writer, number);
            if (number % WritesBetweenSnapshots == 0)
            {
                // Folds the journal, so that kills meet folds as well.
                await using var snapshot = await page.GetSnapshotAsync();
            }
        }
    }

    private static async Task PutAsync(IPage page, KillOperation operation)
    {
        if (operation.Clears)
        {
            await page.ClearAsync(operation.Durability);
            return;
        }

        var (key, value) = operation.Changes[0];
        await (value is null
            ? page.DeleteAsync(Encoding.ASCII.GetBytes(key), operation.Durability)
            : page.PutAsync(Encoding.ASCII.GetBytes(key), value, durability: operation.Durability));
    }

    private static async Task TransactAsync(IPage page, KillOperation operation)
    {
        await using var transaction = await page.BeginTransactionAsync();
        if (operation.Clears)
        {
            await transaction.ClearAsync();
        }

        foreach (var (key, value) in operation.Changes)
        {
            await (value is null
                ? transaction.DeleteAsync(Encoding.ASCII.GetBytes(key))
                : transaction.PutAsync(Encoding.ASCII.GetBytes(key), value));
        }

        await transaction.CommitAsync(durability: operation.Durability);
    }

    private static async Task StreamAsync(IPage page, KillOperation operation)
    {
        var (key, value) = operation.Changes[0];
        using var content = new MemoryStream(value ?? []);
        var reference = await page.CreateReferenceAsync(content);
        await page.PutReferenceAsync(Encoding.ASCII.GetBytes(key), reference, durability: operation.Durability);
    }
}
