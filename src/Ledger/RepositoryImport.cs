using Ledger.Objects;
using Ledger.Pages;

namespace Ledger;

/// <summary>Copies the present entries of one repository into another one, each page as one new commit.</summary>
internal static class RepositoryImport
{
    /// <summary>Copies everything.</summary>
    /// <param name="directory">The old repository, closed; it is opened for reading only.</param>
    /// <param name="target">The new one.</param>
    /// <param name="options">How the old one is opened.</param>
    /// <param name="cancellationToken">Leaves what was copied.</param>
    /// <exception cref="MissingObjectException">A value is not here.</exception>
    public static async Task RunAsync(
        string directory, Repository target, RepositoryOptions options, CancellationToken cancellationToken)
    {
        await using var source = await Repository.OpenAsync(
            directory, options with { ReadOnly = true, CreateIfMissing = false }, cancellationToken);
        foreach (var name in await source.ListLedgersAsync(cancellationToken))
        {
            var from = await source.GetLedgerAsync(name, cancellationToken);
            var to = await target.GetLedgerAsync(name, cancellationToken);
            await foreach (var page in from.ListPagesAsync(cancellationToken))
            {
                await CopyAsync(from, to, page, cancellationToken);
            }
        }
    }

    private static async Task CopyAsync(ILedger from, ILedger to, PageId id, CancellationToken cancellationToken)
    {
        await using var old = await from.GetPageAsync(id, cancellationToken);
        await using var page = await to.GetPageAsync(id, cancellationToken);
        await using var snapshot = await old.GetSnapshotAsync(default, cancellationToken);
        await using var transaction = await page.BeginTransactionAsync(cancellationToken);
        await foreach (var entry in snapshot.GetEntriesAsync(cancellationToken: cancellationToken))
        {
            if (entry is { State: ValueState.Here, Value: { } value })
            {
                await transaction.PutAsync(entry.Key, value, entry.Priority, cancellationToken);
                continue;
            }

            // A value that is not here ends the copying with its name.
            await using var content = await snapshot.OpenReadAsync(entry.Key, cancellationToken) ?? Stream.Null;
            var reference = await page.CreateReferenceAsync(content, entry.SizeBytes, cancellationToken);
            await transaction.PutReferenceAsync(entry.Key, reference, entry.Priority, cancellationToken);
        }

        await transaction.CommitAsync(message: "imported", cancellationToken: cancellationToken);
    }
}
