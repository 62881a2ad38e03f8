using System.CommandLine.Parsing;

namespace Ledger.Cli.Streams;

/// <summary>Which database streams are kept in.</summary>
/// <param name="Kind">The kind of database.</param>
/// <param name="Address">What that kind needs to find it.</param>
internal sealed record DatabaseName(DatabaseKind Kind, string Address)
{
    /// <summary>How names are written.</summary>
    public const string Form = "sqlite:PATH|postgres:DSN";

    /// <summary>Reads a name where an option takes one.</summary>
    public static DatabaseName? Parse(ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        var (kind, address) = colon < 0 ? ("", text) : (text[..colon], text[(colon + 1)..]);
        DatabaseName? name = kind switch
        {
            _ when address.Length == 0 => null,
            "sqlite" => new(DatabaseKind.Sqlite, address),

            // A whole URI is the address that it is.
            "postgres" or "postgresql" when address.StartsWith("//", StringComparison.Ordinal) =>
                new(DatabaseKind.Postgres, text),
            "postgres" => new(DatabaseKind.Postgres, address),
            _ => null,
        };
        if (name is null)
        {
            // What was given is not repeated: it may have a password in it.
            result.AddError($"{(result.Parent as OptionResult)?.Option.Name} is {Form}, and nothing else.");
        }

        return name;
    }
}

/// <summary>The kinds of database that this build has.</summary>
internal enum DatabaseKind
{
    /// <summary>A file.</summary>
    Sqlite,

    /// <summary>A database of a PostgreSQL server.</summary>
    Postgres,
}
