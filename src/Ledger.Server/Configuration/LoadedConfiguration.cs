namespace Ledger.Server.Configuration;

/// <summary>A configuration that was read, with what it was read from.</summary>
/// <param name="Options">What it says.</param>
/// <param name="Warnings">Sentences about what has no effect or is unwise.</param>
/// <param name="Path">The file; it need not exist.</param>
/// <param name="Values">The values given, to compare with those of a later reading.</param>
internal sealed record LoadedConfiguration(
    DaemonOptions Options, IReadOnlyList<string> Warnings, string Path, ConfigurationValues Values)
{
    /// <summary>The environment that it was read with.</summary>
    /// <remarks>A reload reads with it too: the process forgets what of it is secret.</remarks>
    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    /// <summary>Whether the file was there.</summary>
    public required bool IsFileThere { get; init; }

    /// <summary>The file's directory, where the daemon keeps what it needs.</summary>
    public string Directory => System.IO.Path.GetDirectoryName(Path)!;

    /// <summary>Reads a file and the environment, and checks the whole.</summary>
    /// <param name="path">The file; when it is missing everything is a default.</param>
    /// <param name="environment">Names and values.</param>
    /// <exception cref="ConfigurationException">It cannot be used; every problem is named.</exception>
    public static LoadedConfiguration Load(string path, IReadOnlyDictionary<string, string> environment)
    {
        path = System.IO.Path.GetFullPath(path);
        var fileName = System.IO.Path.GetFileName(path);
        var problems = new List<string>();
        var text = SecretFile.ReadOrNull(path);
        var given = text is not null
            ? ConfigurationDocument.Read(text, fileName, "", problems)
            : new Dictionary<string, GivenValue>(StringComparer.Ordinal);
        var warnings = new List<string>(ConfigurationEnvironment.Apply(environment, given));
        var values = new ConfigurationValues("", "", given, problems);
        var options = DaemonOptions.Read(values, System.IO.Path.GetDirectoryName(path)!);
        if (problems.Count > 0)
        {
            throw new ConfigurationException(problems);
        }

        if (text is not null && SecretFile.IsReadableByOthers(path))
        {
            warnings.Add($"{path} can be read by other users of this machine, and has secrets in it: chmod 600 it.");
        }

        return new LoadedConfiguration(options, warnings, path, values)
        {
            Environment = environment,
            IsFileThere = text is not null,
        };
    }

    /// <summary>The keys whose values differ from an earlier reading's; of hooks only that they may.</summary>
    public IReadOnlyList<string> ChangesFrom(LoadedConfiguration earlier) =>
    [
        .. ConfigurationTable.All
            .Where(key => key.Kind is not (ValueKind.Later or ValueKind.Sections)
                && !key.Path.Contains("[]", StringComparison.Ordinal) && !Values.IsSame(earlier.Values, key.Path))
            .Select(key => key.Path),
        .. Options.Hooks.SequenceEqual(earlier.Options.Hooks) ? (IEnumerable<string>)[] : ["hooks"],
    ];

    /// <summary>Reads the file again for a daemon that goes on running.</summary>
    /// <param name="environment">Names and values.</param>
    /// <exception cref="ConfigurationException">It cannot be used, or changes what takes a restart.</exception>
    public LoadedConfiguration Reload(IReadOnlyDictionary<string, string> environment)
    {
        var next = Load(Path, environment);
        if (IsFileThere && !next.IsFileThere)
        {
            // Defaults are what a first start means, and nobody who moves a file for a moment.
            throw new ConfigurationException($"{Path} is not there any more: nothing was changed.");
        }

        var problems = ConfigurationTable.All
            .Where(key => !key.IsReloadable && key.Kind != ValueKind.Later
                && !key.Path.Contains("[]", StringComparison.Ordinal) && !Values.IsSame(next.Values, key.Path))
            .Select(key => $"{next.Values.Name(key.Path)} was changed, which takes a restart: nothing was changed.")
            .ToList();
        if (Options.Tls is null != next.Options.Tls is null)
        {
            problems.Add("'tls.cert' was given or left out, which takes a restart: nothing was changed.");
        }

        return problems.Count == 0 ? next : throw new ConfigurationException(problems);
    }
}
