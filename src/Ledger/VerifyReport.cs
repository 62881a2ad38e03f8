namespace Ledger;

/// <summary>What <c>Repository.VerifyAsync</c> checked and found.</summary>
/// <param name="Ledgers">Ledgers walked.</param>
/// <param name="Pages">Pages walked.</param>
/// <param name="Commits">Commits walked, from every head to its beginning.</param>
/// <param name="Objects">Objects read and hashed again, each once.</param>
/// <param name="Bytes">Their plaintext bytes.</param>
/// <param name="LogBytes">Bytes of log whose checksums were checked.</param>
/// <param name="Problems">One sentence for each fault; empty when everything is sound.</param>
/// <param name="Notices">What is worth knowing and no fault, such as a torn tail that a crash left and recovery
/// cut.</param>
public sealed record VerifyReport(
    long Ledgers, long Pages, long Commits, long Objects, long Bytes, long LogBytes,
    IReadOnlyList<string> Problems, IReadOnlyList<string> Notices)
{
    /// <summary>
    /// Commits whose trees are not stored, which is no fault: each was rebuilt from its changes and compared with the
    /// commit's root.
    /// </summary>
    public long RebuiltTrees { get; init; }
}
