using System.CommandLine;

namespace Ledger.Cli.Daemons;

/// <summary>The options that say which daemon is meant; the same for every command.</summary>
internal sealed class ServerOptions
{
    /// <summary>The configuration; null for the user's own.</summary>
    public Option<string?> Config { get; } = new("--config", "-c")
    {
        Description = "The daemon's configuration. Default: ~/.ledger/config.yaml",
        HelpName = "PATH",
        Recursive = true,
    };

    /// <summary>Where the daemon serves gRPC; null for what the configuration says.</summary>
    public Option<string?> Address { get; } = new("--addr")
    {
        Description = "Where the daemon serves gRPC: host:port, http(s)://host:port or unix:PATH",
        HelpName = "ADDRESS",
        Recursive = true,
    };

    /// <summary>Where the daemon serves HTTP; null for what the configuration says.</summary>
    public Option<string?> HttpAddress { get; } = new("--http-addr")
    {
        Description = "Where the daemon serves HTTP",
        HelpName = "ADDRESS",
        Recursive = true,
    };

    /// <summary>The key; null for that of the environment or the configuration.</summary>
    public Option<string?> ApiKey { get; } = new("--api-key")
    {
        Description = "The key for the daemon. Default: LEDGER_API_KEY, or the configuration's",
        HelpName = "KEY",
        Recursive = true,
    };

    /// <summary>Who signs the daemon's certificate; null for whom the system trusts.</summary>
    public Option<string?> TlsAuthority { get; } = CreateFile(
        "--tls-ca", "Who signs the daemon's certificate, as PEM. Default: LEDGER_TLS_CA, or whom the system trusts");

    /// <summary>The certificate of who calls; null for none.</summary>
    public Option<string?> TlsCertificate { get; } = CreateFile(
        "--tls-cert", "Your own certificate, where the daemon asks for one, as PEM. Default: LEDGER_TLS_CERT");

    /// <summary>The key of that certificate.</summary>
    public Option<string?> TlsKey { get; } = CreateFile(
        "--tls-key", "The key of your certificate, as PEM. Default: LEDGER_TLS_KEY");

    /// <summary>The options in the order of the help.</summary>
    public IEnumerable<Option> All =>
        [Config, Address, HttpAddress, ApiKey, TlsAuthority, TlsCertificate, TlsKey];

    /// <summary>Where a command line says that the daemon serves gRPC; null where it does not.</summary>
    public string? AddressIn(ParseResult parse) => parse.GetValue(Address);

    private static Option<string?> CreateFile(string name, string description) =>
        new(name) { Description = description, HelpName = "FILE", Recursive = true };

    /// <summary>The configuration's path, whether it was named, and whether it is there.</summary>
    public ConfigPath ConfigOf(ParseResult parse)
    {
        var given = parse.GetValue(Config);
        var path = Path.GetFullPath(string.IsNullOrEmpty(given)
            ? PathIn(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile))
            : given);
        return new ConfigPath(path, !string.IsNullOrEmpty(given), File.Exists(path));
    }

    /// <summary>The configuration of a user.</summary>
    /// <param name="profile">The user's own directory; empty when there is none.</param>
    /// <exception cref="CliException">There is none: nothing is written into whatever directory this is.</exception>
    internal static string PathIn(string profile) => profile.Length > 0
        ? Path.Combine(profile, ".ledger", "config.yaml")
        : throw CliException.Usage(
            "This user has no directory of their own, in which the daemon's configuration would be.",
            "Give --config PATH, or set HOME to a directory that is there.");
}

/// <summary>Where a configuration is.</summary>
/// <param name="Path">The full path.</param>
/// <param name="IsNamed">The command line names it.</param>
/// <param name="Exists">It is there.</param>
internal sealed record ConfigPath(string Path, bool IsNamed, bool Exists)
{
    /// <summary>Where its daemon keeps what it needs.</summary>
    public string Directory => System.IO.Path.GetDirectoryName(Path)!;

    /// <summary>The path, which must be there when the command line names it.</summary>
    public string Require() => Exists || !IsNamed ? Path : throw new CliException(
        ExitCodes.NotFound, $"There is no configuration '{Path}'.",
        "Without --config, 'ledger start' writes one and explains it.");
}
