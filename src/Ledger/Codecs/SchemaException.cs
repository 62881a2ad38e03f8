using Ledger.Runtime;

namespace Ledger.Codecs;

/// <summary>A payload does not fit the schema that it is read or written by; it was left as it is.</summary>
/// <param name="message">A full sentence.</param>
/// <param name="version">The payload's version of the schema.</param>
/// <param name="innerException">The codec's error, or null.</param>
public sealed class SchemaException(string message, int version, Exception? innerException = null)
    : LedgerException(message, innerException)
{
    /// <summary>The payload's version of the schema.</summary>
    public int Version { get; } = version;
}
