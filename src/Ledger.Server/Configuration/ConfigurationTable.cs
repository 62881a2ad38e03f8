namespace Ledger.Server.Configuration;

/// <summary>Every key there is, in the order in which the file and the documentation show them.</summary>
internal static class ConfigurationTable
{
    private const double Day = 24 * 60 * 60;
    private const double Mebibyte = 1 << 20;

    /// <summary>What stands before the keys of the keys file, which is read in the same way.</summary>
    public const string KeysFilePrefix = "keys_file:";

    private static readonly Dictionary<string, ConfigurationKey> ByPath =
        Keys().Concat(KeysFile()).ToDictionary(key => key.Path, StringComparer.Ordinal);

    /// <summary>The keys of the configuration.</summary>
    public static IReadOnlyList<ConfigurationKey> All { get; } = [.. Keys()];

    /// <summary>A key by its path, or null.</summary>
    public static ConfigurationKey? Find(string path) => ByPath.GetValueOrDefault(path);

    /// <summary>Whether keys begin with this path and a dot.</summary>
    public static bool IsSection(string path) =>
        ByPath.Keys.Any(key => key.StartsWith(path + ".", StringComparison.Ordinal));

    private static IEnumerable<ConfigurationKey> Keys() =>
        [.. Listeners(), .. Credentials(), .. Databases(), .. Hooks(), .. Limits(), .. Telemetry(), .. Later()];

    private static IEnumerable<ConfigurationKey> Listeners() =>
    [
        new("listen", ValueKind.Text, "localhost:50051",
            "Where gRPC is served: host:port, or unix:PATH. Without a host it is every address of the machine."),
        new("http_listen", ValueKind.Text, "localhost:50052",
            "Where HTTP/JSON, /metrics, /healthz and /readyz are served; \"\" for nowhere. " +
            "With TLS it may be the same as listen."),
        new("log_file", ValueKind.Text, "",
            "Where the log is written, as JSON lines; \"\" is standard error, as text, and ledger.log beside " +
            "this file when the daemon runs in the background. Opened again at a reload."),
        new("log_format", ValueKind.Text, "", "console or json; \"\" is json in a file and console elsewhere.")
        {
            Words = ["", "console", "json"],
        },
        new("log_level", ValueKind.Text, "info", "The least that is logged: debug, info, warning or error.")
        {
            Words = ["debug", "info", "warning", "error"], IsReloadable = true,
        },
        new("start_timeout", ValueKind.Duration, "",
            "How long the database may take at a start: 5s for sqlite, 20s for clickhouse, 15s for others.")
        {
            Min = 0.1, Max = Day,
        },
        new("stop_timeout", ValueKind.Duration, "10s", "How long calls may take to end when the daemon stops.")
        {
            Max = Day,
        },
    ];

    private static IEnumerable<ConfigurationKey> Credentials() =>
    [
        new("api_key", ValueKind.Text, "",
            "A key that may do everything in the allowed stores. Leave it out when there is a keys file. " +
            "Written as \"\" it opens the daemon to every program of this machine.")
        {
            IsSecret = true, IsReloadable = true,
        },
        new("keys_file", ValueKind.Text, "",
            "Keys with their rights, hashed, as 'ledger key add' writes them; \"\" is keys.yaml beside this file.")
        {
            IsReloadable = true,
        },
        new("allowed_stores", ValueKind.Texts, "", "The stores that may be used at all; none named is all.")
        {
            IsReloadable = true,
        },
        new("insecure", ValueKind.Flag, "false",
            "Serve other machines although there is no TLS, or nobody has to say who they are."),
        new("tls.cert", ValueKind.Text, "", "The server's certificate and what it was signed by, as PEM.")
        {
            IsReloadable = true,
        },
        new("tls.key", ValueKind.Text, "", "The certificate's key, as PEM.") { IsReloadable = true },
        new("tls.ca", ValueKind.Text, "", "Who signs the certificates that clients must have, as PEM; \"\" for none.")
        {
            IsReloadable = true,
        },
    ];

    private static IEnumerable<ConfigurationKey> Databases() =>
    [
        new("db.type", ValueKind.Text, "sqlite", "Where entries are kept: sqlite, postgres, mongodb or clickhouse.")
        {
            Words = ["sqlite", "postgres", "mongodb", "clickhouse"],
        },
        new("db.sqlite.path", ValueKind.Text, "", "The database file; \"\" is ledger.db beside this file."),
        new("db.postgres.dsn", ValueKind.Text, "", "postgres://user:password@host/database, or Host=…;Database=….")
        {
            IsSecret = true,
        },
        new("db.mongodb.uri", ValueKind.Text, "", "mongodb://host.") { IsSecret = true },
        new("db.mongodb.database", ValueKind.Text, "ledger", "The database of the MongoDB server."),
        new("db.clickhouse.dsn", ValueKind.Text, "", "clickhouse://host/database.") { IsSecret = true },
    ];

    private static IEnumerable<ConfigurationKey> Hooks() =>
    [
        new("hooks", ValueKind.Sections, "", "Where new entries are posted, each in the order of its stream.")
        {
            IsReloadable = true,
        },
        new("hooks[].name", ValueKind.Text, "", "What it is called; its progress is kept under this name."),
        new("hooks[].store", ValueKind.Text, "ledger_entries", "The store whose entries are posted."),
        new("hooks[].url", ValueKind.Text, "", "Where to: http(s)://host/path, without a user."),
        new("hooks[].stream", ValueKind.Text, "", "The name of the only stream that is meant; \"\" for all."),
        new("hooks[].secret", ValueKind.Text, "", "What signs the posts.") { IsSecret = true },
        new("hooks[].second_secret", ValueKind.Text, "",
            "What signs the second signature, while receivers change from one secret to the next.")
        {
            IsSecret = true,
        },
        new("hooks[].max_retries", ValueKind.Number, "5", "Attempts, after which an entry is parked.")
        {
            Min = 1, Max = 1000,
        },
        new("hooks[].interval", ValueKind.Duration, "5s",
            "How far apart the first and the last entry of one post may have been appended; nothing waits for it.")
        {
            Min = 0.001, Max = Day,
        },
        new("hooks[].connect_timeout", ValueKind.Duration, "5s", "How long connecting may take, TLS included.")
        {
            Min = 0.001, Max = Day,
        },
        new("hooks[].timeout", ValueKind.Duration, "30s", "How long one post may take, connecting included.")
        {
            Min = 0.001, Max = Day,
        },
        new("hooks[].ca", ValueKind.Text, "", "Who signs the receiver's certificate, as PEM; \"\" is the system's."),
        new("hooks[].insecure_skip_verify", ValueKind.Flag, "false", "Take any certificate of the receiver."),
        new("hooks[].allow_private", ValueKind.Flag, "false",
            "Post to addresses of this machine and of private networks too."),
    ];

    private static IEnumerable<ConfigurationKey> Limits() =>
    [
        new("limits.message_bytes", ValueKind.Number, "20971520", "The largest message, in bytes.")
        {
            Min = 1024, Max = 1024 * Mebibyte, IsReloadable = true,
        },
        new("limits.large_bytes", ValueKind.Number, "134217728",
            "Memory for messages of more than 256 KiB, all together, in bytes; what is beyond waits or is refused.")
        {
            Min = Mebibyte, Max = 2047 * Mebibyte,
        },
        new("limits.stores", ValueKind.Number, "1000", "Stores at most; beyond them an append makes none.")
        {
            Min = 1, Max = 1_000_000, IsReloadable = true,
        },
        new("limits.store_idle_timeout", ValueKind.Duration, "10m",
            "How long a store that nobody uses stays open; the next call opens it again.") { Min = 1, Max = Day },
        new("limits.connections", ValueKind.Number, "2000", "Connections at the same time, on each listener.")
        {
            Min = 1, Max = 1_000_000,
        },
        new("limits.calls_per_connection", ValueKind.Number, "100", "Calls at the same time in one connection.")
        {
            Min = 1, Max = 100_000,
        },
        new("limits.subscriptions", ValueKind.Number, "1000", "Subscriptions at the same time.")
        {
            Min = 1, Max = 1_000_000, IsReloadable = true,
        },
        new("limits.header_bytes", ValueKind.Number, "32768", "The headers of one call, in bytes.")
        {
            Min = 4096, Max = Mebibyte,
        },
        new("limits.header_timeout", ValueKind.Duration, "10s", "How long a client may take to send its headers.")
        {
            Min = 0.1, Max = 600,
        },
        new("limits.idle_timeout", ValueKind.Duration, "60s", "How long an HTTP/1.1 connection may be idle.")
        {
            Min = 1, Max = Day,
        },
        new("limits.body_rate", ValueKind.Number, "240",
            "Bytes a second that a client must send or take after five seconds; 0 for any.") { Max = Mebibyte },
        new("limits.calls_per_second", ValueKind.Number, "0", "Calls a second of one key; 0 for any number.")
        {
            Max = 1_000_000, IsReloadable = true,
        },
        new("limits.burst", ValueKind.Number, "100", "Calls that a key may make at once beyond that.")
        {
            Min = 1, Max = 1_000_000, IsReloadable = true,
        },
    ];

    private static IEnumerable<ConfigurationKey> Telemetry() =>
    [
        new("telemetry.endpoint", ValueKind.Text, "", "Where traces and metrics are sent (OTLP); \"\" for nowhere."),
        new("telemetry.protocol", ValueKind.Text, "grpc", "grpc, or http for protobuf over HTTP.")
        {
            Words = ["grpc", "http"],
        },
        new("telemetry.headers", ValueKind.Texts, "", "Headers for the endpoint, each as name=value.")
        {
            IsSecret = true,
        },
        new("telemetry.service", ValueKind.Text, "ledger", "What this daemon is called there."),
        new("telemetry.traces", ValueKind.Fraction, "1", "The share of traces begun here that is kept, 0 to 1.")
        {
            Max = 1,
        },
        new("telemetry.interval", ValueKind.Duration, "60s", "How often metrics are sent.") { Min = 0.1, Max = Day },
    ];

    private static IEnumerable<ConfigurationKey> KeysFile() =>
    [
        new(KeysFilePrefix + "keys", ValueKind.Sections, "", "The keys."),
        new(KeysFilePrefix + "keys[].name", ValueKind.Text, "", "What it is called."),
        new(KeysFilePrefix + "keys[].hash", ValueKind.Text, "", "sha256: and the digits.") { IsSecret = true },
        new(KeysFilePrefix + "keys[].created", ValueKind.Text, "", "When it was made."),
        new(KeysFilePrefix + "keys[].rights", ValueKind.Texts, "", "read, append, admin or all."),
        new(KeysFilePrefix + "keys[].stores", ValueKind.Texts, "", "The stores that it may use; none is all."),
        new(KeysFilePrefix + "keys[].user", ValueKind.Text, "", "Whose it is."),
        new(KeysFilePrefix + "keys[].applications", ValueKind.Texts, "", "The applications; none is all."),
    ];

    private static IEnumerable<ConfigurationKey> Later() =>
    [
        new("pages", ValueKind.Later, "", "Pages over the network: not in this version."),
        new("cloud", ValueKind.Later, "", "A cloud for devices: not in this version."),
        new("bridges", ValueKind.Later, "", "Copies of streams elsewhere: not in this version.")
        {
            IsReloadable = true,
        },
    ];
}
