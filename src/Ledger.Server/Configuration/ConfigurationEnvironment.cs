namespace Ledger.Server.Configuration;

/// <summary>Values from the environment, which go before those of the file.</summary>
internal static class ConfigurationEnvironment
{
    private const string Prefix = "LEDGER_";

    // Read by the command line or by the tests, and no keys of the configuration.
    private static readonly string[] Others =
    [
        "LEDGER_DATA", "LEDGER_NIGHTLY", "LEDGER_TEST_CACHE", "LEDGER_TLS_CA", "LEDGER_TLS_CERT", "LEDGER_TLS_KEY",
    ];

    /// <summary>A key's name in the environment: <c>LEDGER_</c> and its path in capitals, joined by <c>__</c></summary>
    public static string NameOf(string path) =>
        Prefix + path.ToUpperInvariant().Replace(".", "__", StringComparison.Ordinal);

    /// <summary>Puts values of the environment over those that were given.</summary>
    /// <param name="environment">Names and values.</param>
    /// <param name="given">The values by path.</param>
    /// <returns>Sentences about names that mean nothing.</returns>
    public static IReadOnlyList<string> Apply(
        IReadOnlyDictionary<string, string> environment, Dictionary<string, GivenValue> given)
    {
        var warnings = new List<string>();
        var keys = ConfigurationTable.All
            .Where(key => key.Kind is not (ValueKind.Sections or ValueKind.Later)
                && !key.Path.Contains("[]", StringComparison.Ordinal))
            .ToDictionary(key => NameOf(key.Path), StringComparer.Ordinal);
        foreach (var (name, value) in environment.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            if (!name.StartsWith(Prefix, StringComparison.Ordinal) || Others.Contains(name, StringComparer.Ordinal))
            {
                continue;
            }

            if (!keys.TryGetValue(name, out var key))
            {
                warnings.Add($"The environment has {name}, which is no key of the configuration; it has no effect.");
                continue;
            }

            if (value.Length == 0 && key.Path == "api_key")
            {
                // In a file "" is meant; here it is a template that nobody filled in.
                warnings.Add($"The environment has {name} without a value; it has no effect.");
                continue;
            }

            object raw = key.Kind == ValueKind.Texts
                ? value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).ToList()
                : value;
            given[key.Path] = new GivenValue(raw, name);
        }

        return warnings;
    }

    /// <summary>The environment of this process.</summary>
    public static IReadOnlyDictionary<string, string> OfProcess()
    {
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (System.Collections.DictionaryEntry pair in Environment.GetEnvironmentVariables())
        {
            names[(string)pair.Key] = pair.Value as string ?? "";
        }

        return names;
    }
}
