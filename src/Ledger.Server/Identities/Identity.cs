namespace Ledger.Server.Identities;

/// <summary>Who calls, and what they may do. Immutable.</summary>
/// <param name="Name">The key's name; never the key.</param>
/// <param name="Stores">The stores it may use, without case; null for all.</param>
/// <param name="Rights">What it may do in them.</param>
public sealed record Identity(string Name, IReadOnlySet<string>? Stores, Rights Rights)
{
    /// <summary>The user that the key belongs to; null for nobody in particular.</summary>
    public string? User { get; init; }

    /// <summary>The applications whose pages it may use; null for all.</summary>
    public IReadOnlySet<string>? Applications { get; init; }

    /// <summary>Whether it may do this in a store, whether or not there is such a store.</summary>
    public bool May(Rights right, string store) =>
        (Rights & right) == right && (Stores is null || Stores.Contains(store));

    /// <summary>Whether it may do what concerns the daemon and not one store: reload, for example.</summary>
    public bool MayAdministrate => Stores is null && (Rights & Rights.Admin) != 0;
}
