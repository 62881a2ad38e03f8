using Ledger.Pages.Merging;

namespace Ledger.Pages;

/// <summary>One application's namespace in a repository: a set of pages. Safe for concurrent use.</summary>
public interface ILedger
{
    /// <summary>The application's name: 1 to 255 bytes of UTF-8.</summary>
    string Name { get; }

    /// <summary>
    /// Opens a connection to a page. An unknown id opens an empty page and stores nothing until its first change.
    /// </summary>
    /// <returns>A connection on the page's newest head, to be disposed by the caller.</returns>
    Task<IPage> GetPageAsync(PageId id, CancellationToken cancellationToken = default);

    /// <summary>Stores a new, empty page under a random id and opens it; durable when the call returns.</summary>
    Task<IPage> CreatePageAsync(CancellationToken cancellationToken = default);

    /// <summary>Whether the page is stored: created or changed, and not deleted.</summary>
    Task<bool> PageExistsAsync(PageId id, CancellationToken cancellationToken = default);

    /// <summary>The stored pages, ascending by id.</summary>
    IAsyncEnumerable<PageId> ListPagesAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// Deletes a page: its connections end with <see cref="PageDeletedException"/>, open snapshots live on, and nothing
    /// of it comes back when the id is used again. Durable when the call returns.
    /// </summary>
    /// <returns>False when the page is not stored.</returns>
    Task<bool> DeletePageAsync(PageId id, CancellationToken cancellationToken = default);

    /// <summary>
    /// Says how the heads of every page without a policy of its own are merged, until it is said anew.
    /// </summary>
    /// <remarks>
    /// Not stored: an application says it after each opening. A merge that is running is given up and begun again.
    /// </remarks>
    /// <param name="policy">The policy; <see cref="MergePolicy.LastOneWins"/> unless it was ever said.</param>
    /// <param name="resolver">What the policy calls; null for one that calls none.</param>
    /// <param name="timeout">How long the resolver may take: up to 30 days, or infinite. Null: one minute.</param>
    void SetConflictResolver(MergePolicy policy, IConflictResolver? resolver = null, TimeSpan? timeout = null);

    /// <summary>Says how the heads of one page are merged, until it is said anew.</summary>
    /// <inheritdoc cref="SetConflictResolver(MergePolicy, IConflictResolver?, TimeSpan?)"/>
    void SetConflictResolver(
        PageId page, MergePolicy policy, IConflictResolver? resolver = null, TimeSpan? timeout = null);
}
