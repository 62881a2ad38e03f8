using System.Globalization;
using System.Transactions;
using Npgsql;

namespace Ledger.Streams.Postgres;

/// <summary>Where connections come from: the caller's data source, or one of our own.</summary>
internal sealed class PostgresConnections : IAsyncDisposable
{
    /// <summary>Connections of a pool of our own: a lane of appends, reads, and those who wait for a lock.</summary>
    private const int PoolMax = 24;

    /// <summary>Statements that the driver keeps prepared on each connection.</summary>
    private const int PreparedMax = 64;

    private readonly NpgsqlDataSource _source;
    private readonly bool _isOwn;

    /// <summary>
    /// What a connection reads at once; a page is dozens of the 8 KiB that the driver takes by itself.
    /// </summary>
    private const int ReadBufferSizeBytes = 64 << 10;

    /// <summary>Prepares connections; none is opened.</summary>
    /// <exception cref="ArgumentException">Not one of the two is given, or the connection string is none.</exception>
    public PostgresConnections(PostgresStreamStoreOptions options)
    {
        if (options.DataSource is null == options.ConnectionString is null)
        {
            throw new ArgumentException(
                "A store needs either a connection string or a data source.", nameof(options));
        }

        _isOwn = options.DataSource is null;
        _source = options.DataSource ?? NpgsqlDataSource.Create(Complete(options.ConnectionString ?? ""));
        Where = NameOf(_source);
    }

    /// <summary>The database in words, without secrets.</summary>
    public string Where { get; }

    /// <summary>The database of a source in words, as the subject of a sentence; without secrets.</summary>
    public static string NameOf(NpgsqlDataSource source)
    {
        var parts = new NpgsqlConnectionStringBuilder(source.ConnectionString);
        var name = string.IsNullOrEmpty(parts.Database) ? parts.Username : parts.Database;

        // A path is that of a socket; several hosts have their ports with them where these are not the usual one.
        var host = parts.Host ?? "";
        var place = host.StartsWith('/') || host.Contains(',', StringComparison.Ordinal)
            || host.Contains(':', StringComparison.Ordinal)
            ? host : string.Create(CultureInfo.InvariantCulture, $"{host}:{parts.Port}");
        return string.IsNullOrEmpty(name) ? $"The database at '{place}'" : $"The database '{name}' at '{place}'";
    }

    /// <summary>Opens a connection, which is not part of an ambient transaction.</summary>
    public async ValueTask<NpgsqlConnection> OpenAsync(CancellationToken cancellationToken)
    {
        if (Transaction.Current is null)
        {
            return await _source.OpenConnectionAsync(cancellationToken);
        }

        using var none = new TransactionScope(
            TransactionScopeOption.Suppress, TransactionScopeAsyncFlowOption.Enabled);
        return await _source.OpenConnectionAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_isOwn)
        {
            await _source.DisposeAsync();
        }
    }

    /// <summary>A pool as a store makes one for itself, for several stores to share.</summary>
    internal static NpgsqlDataSource CreateSource(string connectionString) =>
        NpgsqlDataSource.Create(Complete(connectionString));

    private static string Complete(string given)
    {
        var parts = given.StartsWith("postgres://", StringComparison.Ordinal)
            || given.StartsWith("postgresql://", StringComparison.Ordinal)
            ? FromUri(given) : new NpgsqlConnectionStringBuilder(given);
        void Default(string keyword, object value)
        {
            // The driver's builder has every keyword; only those that somebody set are in the text.
            if (!parts.ConnectionString.Contains(keyword + "=", StringComparison.OrdinalIgnoreCase))
            {
                parts[keyword] = value;
            }
        }

        Default("Maximum Pool Size", PoolMax);
        Default("Max Auto Prepare", PreparedMax);
        Default("Auto Prepare Min Usages", 2);
        Default("Timeout", 5);
        Default("Read Buffer Size", ReadBufferSizeBytes);
        Default("TCP Keepalive", true);
        if (parts.Host?.Contains('/', StringComparison.Ordinal) == false)
        {
            // A way that is dropped without a word is noticed within minutes, at no query; by the system's own times it
            // would be hours. Sockets of files, whose hosts are directories, do not know it.
            Default("TCP Keepalive Time", 30);
            Default("TCP Keepalive Interval", 5);
        }

        Default("Application Name", "ledger");
        parts.Enlist = false;

        // Nothing is left behind on a connection, so nothing needs to be reset.
        parts.NoResetOnClose = true;
        return parts.ConnectionString;
    }

    // postgresql://user:password@host:port/database?keyword=value, each part of which may be absent. The host may be
    // one that no URI has (none, several, a directory with a socket): the framework's parser would refuse it.
    private static NpgsqlConnectionStringBuilder FromUri(string text)
    {
        var parts = new NpgsqlConnectionStringBuilder();
        var rest = text[(text.IndexOf("//", StringComparison.Ordinal) + 2)..];
        var (main, query) = Cut(rest, '?');
        var (authority, database) = Cut(main, '/');
        var at = authority.LastIndexOf('@');
        var (user, password) = Cut(at < 0 ? "" : authority[..at], ':');
        var server = authority[(at + 1)..];
        var colon = server.LastIndexOf(':');
        var hasPort = colon >= 0 && !server.EndsWith(']');
        Set("Host", hasPort ? server[..colon] : server);
        Set("Port", hasPort ? server[(colon + 1)..] : "");
        Set("Username", user);
        Set("Password", password);
        Set("Database", database);
        foreach (var pair in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var (name, value) = Cut(pair, '=');
            var keyword = name switch { "user" => "Username", "dbname" => "Database", _ => name };
            Set(keyword == "sslmode" ? "SSL Mode" : keyword, value);
        }

        return parts;

        static (string Before, string After) Cut(string whole, char mark)
        {
            var place = whole.IndexOf(mark, StringComparison.Ordinal);
            return place < 0 ? (whole, "") : (whole[..place], whole[(place + 1)..]);
        }

        void Set(string keyword, string value)
        {
            if (value.Length > 0)
            {
                parts[keyword] = Uri.UnescapeDataString(value);
            }
        }
    }
}
