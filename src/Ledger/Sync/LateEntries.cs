using Ledger.Pages;

namespace Ledger.Sync;

/// <summary>
/// Entries that were put aside because no record of the catalog had told their page. Once one has, they are read again.
/// </summary>
/// <remarks>An honest cloud gives a page's record first. Used by the download alone.</remarks>
/// <param name="context">The ledger's.</param>
internal sealed class LateEntries(SyncContext context)
{
    /// <summary>Why such an entry is aside.</summary>
    public const string Reason = "No record of the catalog has told which page this entry is of.";

    private readonly List<PageName> _names = [];
    private readonly List<PageName> _withheld = [];

    /// <summary>Finds out of which pages entries are aside.</summary>
    public async Task LoadAsync(CancellationToken cancellationToken)
    {
        await foreach (var (_, value) in context.Store.ScanRowsAsync(SyncRowKeys.Quarantine, cancellationToken))
        {
            var row = QuarantineRow.Decode(value.Span);
            if (row.Reason == Reason)
            {
                Add(row.PageName);
            }
        }
    }

    /// <summary>An entry of a page that is not known is put aside.</summary>
    public void Add(PageName name)
    {
        if (!_names.Contains(name))
        {
            _names.Add(name);
        }
    }

    /// <summary>The cloud did not give all of a page's again: they are asked for on the next connection.</summary>
    public void Withhold(PageName name) => _withheld.Add(name);

    /// <summary>There is another connection, which may give what an earlier one did not.</summary>
    public void Connect()
    {
        _withheld.ForEach(Add);
        _withheld.Clear();
    }

    /// <summary>A page that is known by now and has entries aside; given once until more are put aside.</summary>
    /// <returns>Null when there is none; otherwise the positions, ascending.</returns>
    public async ValueTask<(PageName Name, PageId Page, SortedSet<FeedPosition> Positions)?> TakeAsync(
        CancellationToken cancellationToken)
    {
        foreach (var name in _names)
        {
            if (await context.FindPageAsync(name, cancellationToken) is { } page)
            {
                _names.Remove(name);
                var positions = new SortedSet<FeedPosition>();
                await foreach (var (key, value) in context.Store.ScanRowsAsync(
                    SyncRowKeys.Quarantine, cancellationToken))
                {
                    var row = QuarantineRow.Decode(value.Span);
                    if (row.PageName == name && row.Reason == Reason)
                    {
                        positions.Add(SyncRowKeys.ReadPosition(key.Span));
                    }
                }

                return (name, page, positions);
            }
        }

        return null;
    }
}
