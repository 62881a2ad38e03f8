using System.IO.Pipelines;
using Ledger.Commits;
using Ledger.Objects;
using Ledger.Pages.Merging;
using Ledger.Trees;

namespace Ledger.Pages;

/// <summary>
/// A connection to a page: an ordered key-value store with atomic commits, snapshots, watchers and history.
/// </summary>
/// <remarks>
/// Many connections may be open on one page; each follows one path through the history and only moves forward. Keys are
/// 1 to 1,024 bytes, ordered as unsigned bytes. A value given directly is 0 bytes to 1 MiB, a streamed one up to 1 TiB.
/// Keys and values are copied before a call returns. Safe for concurrent use; the calls of one caller that does not
/// await take effect in the order they were made. After disposal every member throws
/// <see cref="ObjectDisposedException"/>; after the page was deleted, <see cref="PageDeletedException"/>.
/// Writes throw <see cref="StoreUnavailableException"/> (nothing changed) and <see cref="OutcomeUnknownException"/>.
/// </remarks>
public interface IPage : IAsyncDisposable
{
    /// <summary>The page's id.</summary>
    PageId Id { get; }

    /// <summary>
    /// Sets a key. When it completes the write is acknowledged: visible, and durable as the repository says.
    /// </summary>
    /// <exception cref="TransactionOpenException">A transaction is open on this connection.</exception>
    /// <exception cref="ValueTooLargeException">The value is larger than 1 MiB: use a reference.</exception>
    Task PutAsync(
        ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value, EntryPriority priority = EntryPriority.Eager,
        Durability? durability = null, CancellationToken cancellationToken = default);

    /// <summary>Sets a key to a value that was streamed in before; the reference is released.</summary>
    /// <exception cref="UnknownReferenceException">The reference was put, released or made before a
    /// restart.</exception>
    /// <exception cref="TransactionOpenException">A transaction is open on this connection.</exception>
    Task PutReferenceAsync(
        ReadOnlyMemory<byte> key, Reference reference, EntryPriority priority = EntryPriority.Eager,
        Durability? durability = null, CancellationToken cancellationToken = default);

    /// <summary>Removes a key; does nothing when it is absent.</summary>
    /// <exception cref="TransactionOpenException">A transaction is open on this connection.</exception>
    Task DeleteAsync(
        ReadOnlyMemory<byte> key, Durability? durability = null, CancellationToken cancellationToken = default);

    /// <summary>Removes every key.</summary>
    /// <exception cref="TransactionOpenException">A transaction is open on this connection.</exception>
    Task ClearAsync(Durability? durability = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// Streams a value into the store in bounded memory, to be put under keys of this ledger's pages.
    /// </summary>
    /// <param name="content">Read to its end, from where it stands; not disposed.</param>
    /// <param name="sizeBytes">The size the content must have, or null when it is not known.</param>
    /// <param name="cancellationToken">Stops reading; nothing is kept.</param>
    /// <returns>A name that is gone after a restart; released by being put or by
    /// <see cref="ReleaseReference"/>.</returns>
    /// <exception cref="SizeMismatchException">The content has another size; nothing is kept.</exception>
    /// <exception cref="ValueTooLargeException">The content is larger than 1 TiB.</exception>
    Task<Reference> CreateReferenceAsync(
        Stream content, long? sizeBytes = null, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="CreateReferenceAsync(Stream, long?, CancellationToken)"/>
    Task<Reference> CreateReferenceAsync(
        PipeReader content, long? sizeBytes = null, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="CreateReferenceAsync(Stream, long?, CancellationToken)"/>
    Task<Reference> CreateReferenceAsync(
        ReadOnlyMemory<byte> content, long? sizeBytes = null, CancellationToken cancellationToken = default);

    /// <summary>Lets go of a reference that will not be put.</summary>
    /// <returns>False when it is not known.</returns>
    bool ReleaseReference(Reference reference);

    /// <summary>This connection's current value, from the tree and the journal, without making a commit.</summary>
    /// <returns>The value of up to 1 MiB, or null when the key is absent.</returns>
    /// <exception cref="ValueTooLargeException">The value is larger: read it through a snapshot.</exception>
    ValueTask<ReadOnlyMemory<byte>?> GetAsync(ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default);

    /// <summary>
    /// The state that includes all earlier writes of this connection; never changes, outlives the connection.
    /// </summary>
    /// <param name="prefix">Only keys that begin with it are shown, in every method.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    Task<IPageSnapshot> GetSnapshotAsync(
        ReadOnlyMemory<byte> prefix = default, CancellationToken cancellationToken = default);

    /// <summary>The state of an earlier commit.</summary>
    /// <exception cref="UnknownCommitException">The commit is not in this connection's history, or none is that
    /// old.</exception>
    Task<IPageSnapshot> GetSnapshotAsync(
        AsOf asOf, ReadOnlyMemory<byte> prefix = default, CancellationToken cancellationToken = default);

    /// <summary>
    /// Begins a transaction on the current state, after this connection's waiting watchers have seen it.
    /// </summary>
    /// <exception cref="TransactionOpenException">One is open on this connection.</exception>
    Task<ITransaction> BeginTransactionAsync(CancellationToken cancellationToken = default);

    /// <summary>Watches this connection's path: the snapshot at registration, then every change after it.</summary>
    Task<IPageWatch> WatchAsync(
        ReadOnlyMemory<byte> prefix = default, CancellationToken cancellationToken = default);

    /// <summary>This connection's history, newest first, beginning with the current state.</summary>
    /// <param name="from">Begins here instead: a commit of this history, or another head of the page.</param>
    /// <param name="limit">At most so many; null for all.</param>
    /// <param name="cancellationToken">Ends the enumeration.</param>
    /// <exception cref="UnknownCommitException"><paramref name="from"/> is not in this connection's
    /// history.</exception>
    IAsyncEnumerable<CommitInfo> LogAsync(
        CommitId? from = null, int? limit = null, CancellationToken cancellationToken = default);

    /// <summary>What changed from one commit to another, in key order.</summary>
    /// <exception cref="UnknownCommitException">A commit is not in this connection's history.</exception>
    IAsyncEnumerable<EntryChange> DiffAsync(
        CommitId before, CommitId after, ReadOnlyMemory<byte> prefix = default,
        CancellationToken cancellationToken = default);

    /// <summary>The values that a key had, newest first: each change of it, with its commit.</summary>
    IAsyncEnumerable<KeyVersion> HistoryOfAsync(
        ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default);

    /// <summary>Makes the current state equal to a commit's, under a prefix, as one new commit.</summary>
    /// <returns>The new commit; the current one when nothing differed.</returns>
    /// <exception cref="UnknownCommitException">The commit is not in this connection's history.</exception>
    Task<CommitId> RestoreAsync(
        CommitId commit, ReadOnlyMemory<byte> prefix = default, CancellationToken cancellationToken = default);

    /// <summary>The heads of the page, oldest first. More than one while histories have diverged.</summary>
    Task<IReadOnlyList<CommitInfo>> GetHeadsAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// Completes when no merge of this page is running, waiting to be tried again, or needed under its policy.
    /// </summary>
    /// <returns>True when anything was merged meanwhile. Under <see cref="MergePolicy.None"/> false, at once.</returns>
    Task<bool> WaitForMergesAsync(CancellationToken cancellationToken = default);

    /// <summary>Merges the heads into one because the application asks for it, whatever the policy.</summary>
    /// <remarks>Each merge is a commit of this device. Durable as the repository says when the call returns.</remarks>
    /// <param name="resolver">Called for every two heads, oldest first, without a bound on its time; null takes the
    /// newest writer of each key.</param>
    /// <param name="message">Kept with each merge: at most 4,096 bytes of UTF-8; null for none.</param>
    /// <param name="cancellationToken">Leaves the heads that are not merged yet.</param>
    /// <returns>The one head that is left; the present one when there was one only.</returns>
    Task<CommitId> MergeHeadsAsync(
        IConflictResolver? resolver = null, string? message = null, CancellationToken cancellationToken = default);

    /// <summary>The merges in this connection's history that decided a key, newest first.</summary>
    IAsyncEnumerable<MergeExplanation> ExplainAsync(
        ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default);

    /// <summary>Makes a merge of this connection's history again, and changes nothing.</summary>
    /// <param name="merge">A commit with two parents.</param>
    /// <param name="resolver">Called as the merge's policy says; null takes the newest writer of each key.</param>
    /// <param name="cancellationToken">Ends the enumeration.</param>
    /// <returns>The keys that come out otherwise, ascending: before is what the merge has. None when the resolver is
    /// deterministic.</returns>
    /// <exception cref="UnknownCommitException">The commit is not in this connection's history.</exception>
    /// <exception cref="ArgumentException">The commit does not have two parents.</exception>
    IAsyncEnumerable<EntryChange> ReplayAsync(
        CommitId merge, IConflictResolver? resolver = null, CancellationToken cancellationToken = default);
}
