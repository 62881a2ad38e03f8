using Ledger.Commits;
using Ledger.Objects;
using Ledger.Trees;

namespace Ledger.Pages;

/// <summary>
/// Changes that become exactly one commit on the state they were begun on, or nothing. Disposal without commit rolls
/// back.
/// </summary>
/// <remarks>
/// Invisible to everyone else until it commits; a crash drops it. Limits and errors are those of <see cref="IPage"/>;
/// after commit, rollback or disposal every member throws <see cref="TransactionEndedException"/>.
/// </remarks>
public interface ITransaction : IAsyncDisposable
{
    /// <summary>The commit that the transaction is pinned to.</summary>
    CommitInfo Base { get; }

    /// <summary>Sets a key.</summary>
    Task PutAsync(
        ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value, EntryPriority priority = EntryPriority.Eager,
        CancellationToken cancellationToken = default);

    /// <summary>
    /// Sets a key to a value that was streamed in before; the reference is released when the transaction commits.
    /// </summary>
    /// <exception cref="UnknownReferenceException">The reference was put, released or made before a
    /// restart.</exception>
    Task PutReferenceAsync(
        ReadOnlyMemory<byte> key, Reference reference, EntryPriority priority = EntryPriority.Eager,
        CancellationToken cancellationToken = default);

    /// <summary>Removes a key; does nothing when it is absent.</summary>
    Task DeleteAsync(ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default);

    /// <summary>Removes every key; changes made after it stay.</summary>
    Task ClearAsync(CancellationToken cancellationToken = default);

    /// <summary>The value in the pinned state with this transaction's changes.</summary>
    ValueTask<ReadOnlyMemory<byte>?> GetAsync(ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default);

    /// <summary>The pinned state with the changes made so far; later ones do not show in it.</summary>
    Task<IPageSnapshot> GetSnapshotAsync(
        ReadOnlyMemory<byte> prefix = default, CancellationToken cancellationToken = default);

    /// <summary>
    /// Makes the changes one commit. Always succeeds locally: if the page moved meanwhile, the history diverges.
    /// </summary>
    /// <param name="failIfMoved">Throw instead, and change nothing, when the page moved meanwhile.</param>
    /// <param name="durability">What the acknowledged commit has survived; null for the repository's default.</param>
    /// <param name="message">Kept with the commit: at most 4,096 bytes of UTF-8; null for none.</param>
    /// <param name="cancellationToken">Before the commit point it leaves no trace; after it the commit
    /// finishes.</param>
    /// <returns>The commit; the pinned one when the changes change nothing.</returns>
    /// <exception cref="PageMovedException">The page moved, and <paramref name="failIfMoved"/> was asked
    /// for.</exception>
    Task<CommitId> CommitAsync(
        bool failIfMoved = false, Durability? durability = null, string? message = null,
        CancellationToken cancellationToken = default);

    /// <summary>Drops the changes.</summary>
    Task RollbackAsync(CancellationToken cancellationToken = default);
}
