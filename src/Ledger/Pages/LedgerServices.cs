using Ledger.Commits;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Pages.Merging;
using Ledger.Runtime;
using Ledger.Trees;
using Microsoft.Extensions.Logging;

namespace Ledger.Pages;

/// <summary>What all pages of a ledger share. Safe for concurrent use.</summary>
internal sealed class LedgerServices
{
    /// <summary>The seams.</summary>
    public required LedgerRuntime Runtime { get; init; }

    /// <summary>Objects and rows.</summary>
    public required IObjectStore Store { get; init; }

    /// <summary>The trees in the store.</summary>
    public required Tree Tree { get; init; }

    /// <summary>The trees of commits that are still held although they are not stored.</summary>
    public required LivingHeads Heads { get; init; }

    /// <summary>Stores new trees late.</summary>
    public required WriteBackLoop WriteBacks { get; init; }

    /// <summary>The commits in the store.</summary>
    public required CommitGraph Graph { get; init; }

    /// <summary>The values in the store.</summary>
    public required PageValues Values { get; init; }

    /// <summary>Values streamed in and not put yet.</summary>
    public required ReferenceTable References { get; init; }

    /// <summary>Folds the journals of pages that are not read.</summary>
    public required FoldLoop Folds { get; init; }

    /// <summary>How heads are merged.</summary>
    public MergePolicies Policies { get; } = new();

    /// <summary>Pages with something new that synchronisation has not looked at.</summary>
    public MovedPages Moved { get; } = new();

    /// <summary>Brings values here that are not; null while nobody can.</summary>
    public IValueFetcher? Fetcher { get; set; }

    /// <summary>True when commits came from elsewhere: values of older commits may not be here.</summary>
    public bool IsPartial
    {
        get => Values.IsPartial;
        set => Values.IsPartial = value;
    }

    /// <summary>Keeps a page open.</summary>
    public required Action<PageState> Hold { get; init; }

    /// <summary>Ends <see cref="Hold"/>.</summary>
    public required Action<PageState> Release { get; init; }

    /// <summary>Whether a page has one user. Takes the ledger's lock; may be asked under the page's gate.</summary>
    public required Func<PageState, bool> IsAlone { get; init; }

    /// <summary>This device, the author of what is written; another one once synchronisation renamed it.</summary>
    public required DeviceId Device { get; set; }

    /// <summary>What an acknowledged write has survived, unless a call says otherwise.</summary>
    public required Durability Durability { get; init; }

    /// <summary>Where log messages go.</summary>
    public required ILogger Logger { get; init; }

    /// <summary>True when nothing may be written; what reading derives is kept in memory.</summary>
    public required bool IsReadOnly { get; init; }

    /// <summary>Faults that a test planted.</summary>
    public PlantedBugs Bugs { get; init; }

    /// <summary>The trees of commits, stored or not.</summary>
    public CommitTrees Trees => field ??= new CommitTrees(this);

    /// <summary>Reads the change lists in the store.</summary>
    public ChangeListReader Changes => field ??= new ChangeListReader(Runtime, new ObjectSource(Store));

    /// <summary>Refuses writes to a ledger that is open for reading.</summary>
    /// <exception cref="StoreUnavailableException">It is.</exception>
    public void ThrowIfReadOnly()
    {
        if (IsReadOnly)
        {
            throw new StoreUnavailableException(
                StoreUnavailableReason.ReadOnly, "The ledger is open for reading only; nothing was changed.");
        }
    }
}
