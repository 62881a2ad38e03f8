namespace Ledger.Server.Identities;

/// <summary>What an identity may do in its stores.</summary>
[Flags]
public enum Rights
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Read, search, count, list and subscribe.</summary>
    Read = 1,

    /// <summary>Append, which makes a store that is missing.</summary>
    Append = 2,

    /// <summary>Change what is there: tags, annotations, trim, rename, consumers, hooks, reload.</summary>
    Admin = 4,

    /// <summary>Everything.</summary>
    All = Read | Append | Admin,
}
