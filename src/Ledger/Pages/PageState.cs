using System.Runtime.ExceptionServices;
using Ledger.Commits;
using Ledger.Objects;
using Ledger.Pages.Merging;
using Ledger.Pages.Rows;
using Ledger.Runtime;

namespace Ledger.Pages;

/// <summary>An open page: its branches, its clock and its writes, shared by its connections and watches.</summary>
/// <remarks>
/// Made when a page is opened and dropped when nobody uses it and its journals are folded, so that a closed page costs
/// nothing. <see cref="Gate"/> guards the branches and is held for short sections only; <see cref="Writes"/> orders
/// what goes to the log; <see cref="Commits"/> makes folds, transactions and deletion one at a time.
/// </remarks>
internal sealed class PageState
{
    private readonly LedgerServices _services;
    private readonly AsyncLock _loading = new();
    private readonly List<Branch> _branches = [];
    private bool _isLoaded;
    private bool _isClosed;
    private InvariantException? _fault;

    /// <summary>A page that is not read yet.</summary>
    public PageState(LedgerServices services, PageId id)
    {
        _services = services;
        Id = id;
        Clock = new HybridClock(services.Runtime);
        var writer = new JournalWriter(services, this);
        Writes = new WriteQueue(services.Runtime, Gate, writer.WriteAsync);
        Commits = new PageCommits(services, this);
        Merger = new PageMerger(services, this);
    }

    /// <summary>The page.</summary>
    public PageId Id { get; }

    /// <summary>Guards this page's memory; never held across an await or I/O.</summary>
    public Lock Gate { get; } = new();

    /// <summary>Issues the page's timestamps.</summary>
    public HybridClock Clock { get; }

    /// <summary>Orders the writes of the page.</summary>
    public WriteQueue Writes { get; }

    /// <summary>Folds, transactions and deletion.</summary>
    public PageCommits Commits { get; }

    /// <summary>
    /// Pulsed whenever a reader may see something new, and when the page is deleted or stops, or a transaction ends.
    /// </summary>
    public AsyncSignal Changed { get; } = new();

    /// <summary>Connections, watches and folds that use this; guarded by the ledger.</summary>
    public int Users { get; set; }

    /// <summary>Incarnation of the page, 1 or more.</summary>
    public uint Incarnation { get; private set; } = 1;

    /// <summary>Whether the page's row is stored.</summary>
    public bool IsStored { get; private set; }

    /// <summary>The last timestamp issued before the id was last deleted.</summary>
    public HybridTimestamp Floor { get; private set; }

    /// <summary>True once the page was deleted: nothing is written under this state any more.</summary>
    public bool IsDeleted { get; private set; }

    /// <summary>
    /// The commit that was made or described last, as callers see it: of a head they ask again and again.
    /// </summary>
    public CommitInfo? Described { get; set; }

    /// <summary>Why the last fold that a writer waited for could not be made; or null. Under the gate.</summary>
    public ExceptionDispatchInfo? FoldRefusal { get; set; }

    /// <summary>Merges the branches.</summary>
    public PageMerger Merger { get; }

    /// <summary>False once the page was deleted, stopped, or closed with its ledger; under the gate.</summary>
    public bool IsUsable => !_isClosed && !IsDeleted && _fault is null;

    /// <summary>The branches; read under the gate.</summary>
    public IReadOnlyList<Branch> Branches => _branches;

    /// <summary>Reads the page's rows, once.</summary>
    /// <exception cref="CorruptObjectException">A row is damaged.</exception>
    public async Task LoadAsync(CancellationToken cancellationToken)
    {
        using var turn = await _loading.AcquireAsync(cancellationToken);
        if (_isLoaded)
        {
            return;
        }

        var loaded = await PageLoader.LoadAsync(_services, Id, cancellationToken);
        lock (Gate)
        {
            Incarnation = loaded.Incarnation;
            IsStored = loaded.IsStored;
            Floor = loaded.Floor;
            _branches.AddRange(loaded.Branches);
            Clock.Observe(loaded.LastTimestamp);
            _isLoaded = true;
        }

        if (loaded.Branches.Any(branch => !branch.IsClean))
        {
            _services.Folds.Touch(this);
        }
    }

    /// <summary>The branch with the newest head, under the gate.</summary>
    public Branch NewestBranch() =>
        _branches.MaxBy(branch => (branch.LastTimestamp, branch.Head.Id)) ?? throw NewBrokenException();

    /// <summary>Adds a branch, under the gate.</summary>
    public Branch AddBranch(uint number, Commit head)
    {
        var branch = new Branch(number, head, 0);
        _branches.Add(branch);
        return branch;
    }

    /// <summary>A branch has become part of another one, under the gate.</summary>
    public void RemoveBranch(Branch branch, Branch into)
    {
        Invariant.Check(_branches.Remove(branch));
        branch.MergeInto(into);
    }

    /// <summary>The number of a branch to be made, under the gate.</summary>
    public uint NextBranchNumber() => _branches.Max(branch => branch.Number) + 1;

    /// <summary>The row that says that the page exists.</summary>
    public PageRow NewRow() => new(IsDeleted: false, Incarnation, WallClockMs(), Floor);

    /// <summary>The wall clock, within what the formats can hold.</summary>
    public long WallClockMs() => Math.Clamp(_services.Runtime.WallClockMs(), 0, Authorship.WallClockMsMax);

    /// <summary>Refuses to work on a page that was deleted, or in which an invariant failed.</summary>
    /// <exception cref="PageDeletedException">The page was deleted.</exception>
    /// <exception cref="InvariantException">An invariant failed here before.</exception>
    /// <exception cref="ObjectDisposedException">The ledger was closed.</exception>
    public void ThrowIfUnusable()
    {
        ObjectDisposedException.ThrowIf(_isClosed, this);
        if (IsDeleted)
        {
            throw new PageDeletedException(Id);
        }

        if (_fault is { } fault)
        {
            throw fault;
        }
    }

    /// <summary>The page's row is in the log now; under the gate.</summary>
    public void MarkStored() => IsStored = true;

    /// <summary>The page's tombstone is in the log now; under the gate.</summary>
    public void MarkDeleted() => IsDeleted = true;

    /// <summary>The ledger is being closed.</summary>
    public void Close()
    {
        lock (Gate)
        {
            _isClosed = true;
        }

        Changed.Pulse();
    }

    /// <summary>Stops the page: an invariant failed, so nothing more may be built on what is in memory.</summary>
    public void Stop(InvariantException fault)
    {
        LogMessages.PageStopped(_services.Logger, Id, fault);
        lock (Gate)
        {
            _fault ??= fault;
        }

        Changed.Pulse();
    }

    private InvariantException NewBrokenException() => new($"Page {Id} has no branch.");
}
