using System.CommandLine.Parsing;

namespace Ledger.Cli.Streams;

/// <summary>Which database streams are kept in.</summary>
/// <param name="Kind">The kind of database.</param>
/// <param name="Address">What that kind needs to find it.</param>
internal sealed record DatabaseName(DatabaseKind Kind, string Address)
{
    /// <summary>How names are written.</summary>
    public const string Form = "sqlite:PATH";

    /// <summary>Reads a name where an option takes one.</summary>
    public static DatabaseName? Parse(ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        var (kind, address) = colon < 0 ? ("", text) : (text[..colon], text[(colon + 1)..]);
        if (kind == "sqlite" && address.Length > 0)
        {
            return new DatabaseName(DatabaseKind.Sqlite, address);
        }

        result.AddError($"--db is {Form}, not '{text}'.");
        return null;
    }
}

/// <summary>The kinds of database that this build has.</summary>
internal enum DatabaseKind
{
    /// <summary>A file.</summary>
    Sqlite,
}
