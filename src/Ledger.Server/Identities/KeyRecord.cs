namespace Ledger.Server.Identities;

/// <summary>A key as the keys file has it: without the key itself.</summary>
/// <param name="Name">What it is called; unique in the file, without case.</param>
/// <param name="Digest">SHA-256 of the key.</param>
/// <param name="Created">When it was made.</param>
/// <param name="Rights">What it may do.</param>
internal sealed record KeyRecord(string Name, byte[] Digest, DateTimeOffset Created, Rights Rights)
{
    /// <summary>The user that it belongs to; null for nobody in particular.</summary>
    public string? User { get; init; }

    /// <summary>The applications that it may use; empty for all.</summary>
    public IReadOnlyList<string> Applications { get; init; } = [];

    /// <summary>The stores that it may use; empty for all.</summary>
    public IReadOnlyList<string> Stores { get; init; } = [];

    /// <summary>Who has the key, where only some stores may be used at all.</summary>
    /// <param name="allowedStores">Those, without case; null for all.</param>
    public Identity ToIdentity(IReadOnlySet<string>? allowedStores)
    {
        IReadOnlySet<string>? stores = Stores.Count == 0
            ? allowedStores
            : Stores.Where(store => allowedStores?.Contains(store) != false)
                .ToHashSet(StringComparer.OrdinalIgnoreCase);
        return new Identity(Name, stores, Rights)
        {
            User = User,
            Applications = Applications.Count == 0 ? null : Applications.ToHashSet(StringComparer.Ordinal),
        };
    }
}
