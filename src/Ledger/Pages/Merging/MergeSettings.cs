using Ledger.Commits;

namespace Ledger.Pages.Merging;

/// <summary>How the heads of a page are merged.</summary>
/// <param name="Policy">The policy.</param>
/// <param name="Resolver">Not null where the policy calls one.</param>
/// <param name="Timeout">How long a resolver may take.</param>
internal sealed record MergeSettings(MergePolicy Policy, IConflictResolver? Resolver, TimeSpan Timeout)
{
    /// <summary>How long a resolver may take unless said otherwise.</summary>
    public static readonly TimeSpan DefaultTimeout = TimeSpan.FromMinutes(1);

    /// <summary>Longest name of a resolver in bytes of UTF-8.</summary>
    public const int NameSizeBytesMax = 255;

    /// <summary>What holds unless an application says otherwise.</summary>
    public static MergeSettings Default { get; } = new(MergePolicy.LastOneWins, null, DefaultTimeout);

    /// <summary>Name of the resolver that is called, or null.</summary>
    public string? ResolverName => Resolver?.Name;

    /// <summary>Checks what an application asks for.</summary>
    /// <exception cref="ArgumentNullException">The policy calls a resolver and there is none.</exception>
    /// <exception cref="ArgumentException">The resolver's name is too long, or nothing would call it.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The policy is unknown, or the time is not positive.</exception>
    public static MergeSettings Create(MergePolicy policy, IConflictResolver? resolver, TimeSpan? timeout)
    {
        if (!Enum.IsDefined(policy))
        {
            throw new ArgumentOutOfRangeException(nameof(policy), policy, "There is no such policy.");
        }

        if (policy is MergePolicy.LastOneWins or MergePolicy.None)
        {
            return resolver is null
                ? new MergeSettings(policy, null, DefaultTimeout)
                : throw new ArgumentException($"Policy {policy} calls no resolver.", nameof(resolver));
        }

        ArgumentNullException.ThrowIfNull(resolver);
        if (CommitCodec.StrictUtf8.GetByteCount(resolver.Name) is < 1 or > NameSizeBytesMax)
        {
            throw new ArgumentException(
                $"The name of a resolver has 1 to {NameSizeBytesMax} bytes of UTF-8.", nameof(resolver));
        }

        // Our own resolvers end; one that had to begin again would not.
        var time = timeout ?? (resolver is KeyResolver or CombinedResolver { AreOurs: true }
            ? System.Threading.Timeout.InfiniteTimeSpan
            : DefaultTimeout);
        if (time != System.Threading.Timeout.InfiniteTimeSpan)
        {
            ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(time, TimeSpan.Zero, nameof(timeout));
            ArgumentOutOfRangeException.ThrowIfGreaterThan(time, TimeSpan.FromDays(30), nameof(timeout));
        }

        return new MergeSettings(policy, resolver, time);
    }
}

/// <summary>The settings of a ledger's pages. Safe for concurrent use.</summary>
internal sealed class MergePolicies
{
    private readonly Lock _gate = new();
    private readonly Dictionary<PageId, MergeSettings> _pages = [];
    private MergeSettings _ledger = MergeSettings.Default;

    /// <summary>Sets what holds for every page without settings of its own.</summary>
    public void Set(MergeSettings settings)
    {
        lock (_gate)
        {
            _ledger = settings;
        }
    }

    /// <summary>Sets what holds for one page.</summary>
    public void Set(PageId page, MergeSettings settings)
    {
        lock (_gate)
        {
            _pages[page] = settings;
        }
    }

    /// <summary>What holds for a page.</summary>
    public MergeSettings For(PageId page)
    {
        lock (_gate)
        {
            return _pages.GetValueOrDefault(page) ?? _ledger;
        }
    }
}
