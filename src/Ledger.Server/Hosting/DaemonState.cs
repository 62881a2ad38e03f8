using Ledger.Server.Configuration;
using Ledger.Server.Identities;

namespace Ledger.Server.Hosting;

/// <summary>What a reload replaces, as a whole: a call works with one of these from its beginning to its end.</summary>
/// <param name="Configuration">The configuration.</param>
/// <param name="Authenticator">Who may call.</param>
/// <param name="Certificates">The certificates; null for clear text.</param>
/// <param name="Rates">How many calls each may make.</param>
/// <param name="Keys">The hashed keys; null when there is no file of them.</param>
internal sealed record DaemonState(
    LoadedConfiguration Configuration, Authenticator Authenticator, Certificates? Certificates, RateLimits Rates,
    IReadOnlyList<KeyRecord>? Keys)
{
    /// <summary>What the configuration says.</summary>
    public DaemonOptions Options => Configuration.Options;

    /// <summary>Reads the files that a configuration names, and checks whom it would serve.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <param name="previous">What a reload would replace; null at a start.</param>
    /// <exception cref="ConfigurationException">It cannot be used; nothing was changed.</exception>
    public static DaemonState Prepare(LoadedConfiguration configuration, DaemonState? previous = null)
    {
        var options = configuration.Options;
        var keys = KeyFile.LoadOrNull(options.KeysFile);
        if (keys is null && previous?.Keys is not null)
        {
            throw new ConfigurationException(
                $"The keys file {options.KeysFile} is not there any more: nothing was changed.");
        }

        var authenticator = Authenticator.Create(options, keys ?? []);
        var certificates = options.Tls is null ? null : Certificates.Load(options.Tls);
        var problems = new List<string>();
        CheckExposure("listen", options.Listen);
        if (options.HttpListen is not null)
        {
            CheckExposure("http_listen", options.HttpListen);
        }

        return problems.Count == 0
            ? new DaemonState(configuration, authenticator, certificates, new RateLimits(options.Limits), keys)
            : throw new ConfigurationException(problems);

        void CheckExposure(string key, ListenAddress address)
        {
            if (address.IsLocal || options.Insecure)
            {
                return;
            }

            if (certificates is null)
            {
                problems.Add(
                    $"'{key}' is {address}, which other machines can reach, and there is no TLS: give 'tls.cert' and " +
                    "'tls.key', or say 'insecure: true'.");
            }

            if (authenticator.IsOpen && certificates?.AreClientsAsked != true)
            {
                problems.Add(
                    $"'{key}' is {address}, which other machines can reach, and anybody may call: give 'api_key', " +
                    "add keys with 'ledger key add', give 'tls.ca', or say 'insecure: true'.");
            }
        }
    }

    /// <summary>The keys that differ from an earlier state; <c>keys</c> stands for the hashed ones.</summary>
    public IReadOnlyList<string> ChangesFrom(DaemonState earlier)
    {
        var changes = Configuration.ChangesFrom(earlier.Configuration);
        return KeyFile.ToText(Keys ?? []) == KeyFile.ToText(earlier.Keys ?? []) ? changes : [.. changes, "keys"];
    }

    /// <summary>Sentences about what works and is unwise.</summary>
    public IEnumerable<string> Warnings()
    {
        foreach (var warning in Configuration.Warnings)
        {
            yield return warning;
        }

        if (Authenticator.IsOpen)
        {
            yield return Options.Insecure
                ? "'api_key' is empty: anybody who reaches the daemon may do everything."
                : "'api_key' is empty: every program of this machine may do everything.";
        }
        else if (Authenticator.IsShut)
        {
            yield return "There is no 'api_key' and no key in the keys file: nothing but health answers.";
        }
    }
}
