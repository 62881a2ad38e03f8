using Ledger.Trees;

namespace Ledger.Pages;

/// <summary>Brings values here that are not, from whoever has them. Safe for concurrent use.</summary>
internal interface IValueFetcher
{
    /// <summary>Brings the part of a value here that covers a range; durable as the store says.</summary>
    /// <param name="value">Not inline.</param>
    /// <param name="offset">Where the range begins, 0 or more.</param>
    /// <param name="length">Its length.</param>
    /// <param name="cancellationToken">Leaves part of it here.</param>
    /// <exception cref="NetworkUnavailableException">Nobody who has it answered in time.</exception>
    ValueTask FetchAsync(EntryValue value, long offset, long length, CancellationToken cancellationToken);
}
