using Ledger.Runtime;

namespace Ledger.Pages;

/// <summary>The reference was put or released before, or was made before a restart.</summary>
/// <param name="reference">The reference.</param>
public sealed class UnknownReferenceException(Reference reference)
    : LedgerException(
        $"Reference {reference.Id:x32} is not known: it was put or released, or the repository restarted.")
{
    /// <summary>The reference.</summary>
    public Reference Reference { get; } = reference;
}
