namespace Ledger.Server.Configuration;

/// <summary>Where entries are kept.</summary>
/// <param name="Type"><c>sqlite</c> or <c>postgres</c>.</param>
/// <param name="Address">A file's full path, or what a server's driver takes; a secret.</param>
internal sealed record DatabaseOptions(string Type, string Address)
{
    /// <summary>How long it may take at a start when nothing is said.</summary>
    public TimeSpan StartTimeoutDefault => TimeSpan.FromSeconds(Type switch
    {
        "sqlite" => 5,
        "clickhouse" => 20,
        _ => 15,
    });

    /// <summary>Reads and checks the section.</summary>
    public static DatabaseOptions Read(ConfigurationValues values, string directory)
    {
        var type = values.Word("db.type");
        var key = type switch
        {
            "postgres" => "db.postgres.dsn",
            "mongodb" => "db.mongodb.uri",
            "clickhouse" => "db.clickhouse.dsn",
            _ => "db.sqlite.path",
        };
        if (type is "mongodb" or "clickhouse")
        {
            values.Refuse("db.type", $"is '{type}', which this version does not have; it has sqlite and postgres.");
        }
        else if (type == "postgres" && values.Text(key).Length == 0)
        {
            values.Refuse(key, "is missing: 'db.type' is postgres.");
        }

        return new DatabaseOptions(
            type,
            type == "sqlite"
                ? DaemonOptions.PathOf(values, key, directory) ?? Path.Combine(directory, "ledger.db")
                : values.Text(key));
    }

    /// <inheritdoc/>
    public override string ToString() => Type == "sqlite" ? $"sqlite:{Address}" : Type;
}
