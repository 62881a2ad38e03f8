using System.Security.Cryptography;
using Ledger.Server.Hooks;

namespace Ledger.Server.Configuration;

/// <summary>Reads the hooks, which check themselves.</summary>
internal static class HookReader
{
    /// <summary>Reads all sections.</summary>
    public static IReadOnlyList<HookOptions> ReadAll(ConfigurationValues values, string directory) =>
        [.. values.Sections("hooks").Select(section => Read(section, directory)).OfType<HookOptions>()];

    /// <summary>Reads one section; what the hook says of itself is put among the problems.</summary>
    /// <returns>Null when it cannot be used.</returns>
    private static HookOptions? Read(ConfigurationValues values, string directory)
    {
        var problems = values.Problems.Count;
        if (values.Text("name").Length == 0)
        {
            values.Refuse("name", "is missing.");
        }

        if (!Uri.TryCreate(values.Text("url"), UriKind.Absolute, out var url))
        {
            // It is not repeated: there may be a password in it.
            values.Refuse("url", "is missing, or not http(s)://host/path.");
        }

        var (maxRetries, interval) = ((int)values.Number("max_retries"), values.Duration("interval"));
        var (connectTimeout, timeout) = (values.Duration("connect_timeout"), values.Duration("timeout"));
        var (skipVerify, allowPrivate) = (values.Flag("insecure_skip_verify"), values.Flag("allow_private"));
        if (values.Problems.Count > problems)
        {
            return null;
        }

        var ca = DaemonOptions.PathOf(values, "ca", directory);
        try
        {
            return new HookOptions
            {
                Name = values.Text("name"),
                Store = values.Text("store"),
                Url = url!,
                Stream = TextOf(values, "stream"),
                Secret = TextOf(values, "secret"),
                SecondSecret = TextOf(values, "second_secret"),
                MaxRetries = maxRetries,
                Interval = interval,
                CaFile = ca,
                CaDigest = ca is null ? null : DigestOf(ca),
                InsecureSkipVerify = skipVerify,
                AllowPrivate = allowPrivate,
                ConnectTimeout = connectTimeout,
                Timeout = timeout,
            }.Check();
        }
        catch (ArgumentException error)
        {
            values.Refuse("name", $"is a hook that cannot be used: {error.Message}");
            return null;
        }
    }

    private static string? DigestOf(string path)
    {
        try
        {
            return Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path)));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static string? TextOf(ConfigurationValues values, string key) =>
        values.Text(key) is { Length: > 0 } text ? text : null;
}
