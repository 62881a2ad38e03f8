using Ledger.Runtime;

namespace Ledger.Server.Configuration;

/// <summary>The configuration cannot be used; nothing was changed by it.</summary>
/// <param name="problems">Each a sentence that names the place and the key, at least one; none has a secret.</param>
internal sealed class ConfigurationException(IReadOnlyList<string> problems)
    : LedgerException(string.Join('\n', problems))
{
    /// <summary>There is one problem.</summary>
    public ConfigurationException(string problem)
        : this([problem])
    {
    }

    /// <summary>Each a sentence that names the place and the key.</summary>
    public IReadOnlyList<string> Problems { get; } = problems;
}
