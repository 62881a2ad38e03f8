using Ledger.Server.Hooks;
using Microsoft.Extensions.Logging;

namespace Ledger.Server.Configuration;

/// <summary>The whole configuration, read and checked. Immutable.</summary>
internal sealed record DaemonOptions
{
    /// <summary>Where gRPC is served.</summary>
    public required ListenAddress Listen { get; init; }

    /// <summary>Where HTTP is served; null for nowhere.</summary>
    public required ListenAddress? HttpListen { get; init; }

    /// <summary>Where the log goes; null for standard error.</summary>
    public required string? LogFile { get; init; }

    /// <summary>Whether the log is JSON lines.</summary>
    public required bool IsLogJson { get; init; }

    /// <summary>The least that is logged.</summary>
    public required LogLevel LogLevel { get; init; }

    /// <summary>How long the database may take at a start.</summary>
    public required TimeSpan StartTimeout { get; init; }

    /// <summary>How long calls may take to end.</summary>
    public required TimeSpan StopTimeout { get; init; }

    /// <summary>The shared key; empty when the daemon is open to this machine; null when there is none.</summary>
    public required string? ApiKey { get; init; }

    /// <summary>Where the hashed keys are; the file need not exist.</summary>
    public required string KeysFile { get; init; }

    /// <summary>The stores that may be used, without case; null for all.</summary>
    public required IReadOnlySet<string>? AllowedStores { get; init; }

    /// <summary>Serve other machines without TLS or authentication.</summary>
    public required bool Insecure { get; init; }

    /// <summary>Certificates; null for clear text.</summary>
    public required TlsOptions? Tls { get; init; }

    /// <summary>Where entries are kept.</summary>
    public required DatabaseOptions Database { get; init; }

    /// <summary>Where entries are posted.</summary>
    public required IReadOnlyList<HookOptions> Hooks { get; init; }

    /// <summary>What one client or all of them may take.</summary>
    public required LimitOptions Limits { get; init; }

    /// <summary>What is told about the daemon's work.</summary>
    public required TelemetryOptions Telemetry { get; init; }

    /// <summary>Reads and checks the whole.</summary>
    /// <param name="values">What was given; problems are put there, and then the result is of no use.</param>
    /// <param name="directory">Where relative paths begin: that of the file.</param>
    public static DaemonOptions Read(ConfigurationValues values, string directory)
    {
        var listen = AddressOf(values, "listen", directory);
        var logFile = PathOf(values, "log_file", directory);
        var format = values.Word("log_format");
        var stores = values.Texts("allowed_stores");
        var database = DatabaseOptions.Read(values, directory);
        var options = new DaemonOptions
        {
            Listen = listen ?? new ListenAddress("localhost", 0, null),
            HttpListen = values.Text("http_listen").Length == 0 ? null : AddressOf(values, "http_listen", directory),
            LogFile = logFile,
            IsLogJson = format == "json" || (format == "" && logFile is not null),
            LogLevel = values.Word("log_level") switch
            {
                "debug" => LogLevel.Debug,
                "warning" => LogLevel.Warning,
                "error" => LogLevel.Error,
                _ => LogLevel.Information,
            },
            StartTimeout = values.IsGiven("start_timeout")
                ? values.Duration("start_timeout") : database.StartTimeoutDefault,
            StopTimeout = values.Duration("stop_timeout"),
            ApiKey = values.IsGiven("api_key") ? values.Text("api_key") : null,
            KeysFile = PathOf(values, "keys_file", directory) ?? Path.Combine(directory, "keys.yaml"),
            AllowedStores = stores.Count == 0 ? null : stores.ToHashSet(StringComparer.OrdinalIgnoreCase),
            Insecure = values.Flag("insecure"),
            Tls = TlsOptions.Read(values, directory),
            Database = database,
            Hooks = HookReader.ReadAll(values, directory),
            Limits = LimitOptions.Read(values),
            Telemetry = TelemetryOptions.Read(values),
        };
        options.Check(values);
        return options;
    }

    /// <summary>A path, relative to the directory; null when it is empty.</summary>
    public static string? PathOf(ConfigurationValues values, string key, string directory) =>
        values.Text(key) is { Length: > 0 } path ? Path.GetFullPath(path, directory) : null;

    /// <inheritdoc/>
    /// <remarks>Without the values: some are secrets.</remarks>
    public override string ToString() => $"the configuration of {Listen}";

    private void Check(ConfigurationValues values)
    {
        if (HttpListen is not null && HttpListen == Listen && Tls is null && Listen is not { Path: null, Port: 0 })
        {
            values.Refuse(
                "http_listen", $"is the same as 'listen', {Listen}: that takes TLS, because without it one address " +
                "is either gRPC or HTTP.");
        }

        foreach (var twice in Hooks.CountBy(hook => hook.Name).Where(name => name.Value > 1))
        {
            values.Refuse("hooks", $"has the name '{twice.Key}' twice; a hook's progress is kept under its name.");
        }
    }

    private static ListenAddress? AddressOf(ConfigurationValues values, string key, string directory)
    {
        var address = ListenAddress.Parse(values.Text(key));
        if (address is null)
        {
            values.Refuse(key, $"is host:port or unix:PATH, not '{values.Text(key)}'.");
        }

        return address?.Path is { } path ? address with { Path = Path.GetFullPath(path, directory) } : address;
    }
}

/// <summary>Certificates.</summary>
/// <param name="CertificateFile">The server's, as PEM.</param>
/// <param name="KeyFile">Its key, as PEM.</param>
/// <param name="ClientAuthorityFile">Who signs what clients must have; null when they need none.</param>
internal sealed record TlsOptions(string CertificateFile, string KeyFile, string? ClientAuthorityFile)
{
    /// <summary>Reads and checks the section; null when there is no TLS.</summary>
    public static TlsOptions? Read(ConfigurationValues values, string directory)
    {
        var certificate = DaemonOptions.PathOf(values, "tls.cert", directory);
        var key = DaemonOptions.PathOf(values, "tls.key", directory);
        var authority = DaemonOptions.PathOf(values, "tls.ca", directory);
        if (certificate is null != key is null)
        {
            values.Refuse(
                certificate is null ? "tls.key" : "tls.cert", "needs the other one: 'tls.cert' and 'tls.key'.");
        }
        else if (certificate is null && authority is not null)
        {
            values.Refuse("tls.ca", "needs 'tls.cert' and 'tls.key': clients are only asked over TLS.");
        }

        return certificate is null || key is null ? null : new TlsOptions(certificate, key, authority);
    }
}
