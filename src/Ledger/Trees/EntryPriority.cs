namespace Ledger.Trees;

/// <summary>When the value of an entry must be on a device that has the commit.</summary>
public enum EntryPriority : byte
{
    /// <summary>Before the commit is shown. The default.</summary>
    Eager = 0,

    /// <summary>When someone fetches it.</summary>
    Lazy = 1,
}
