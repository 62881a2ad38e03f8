using System.Globalization;
using System.Net;

namespace Ledger.Server.Configuration;

/// <summary>Where a listener is.</summary>
/// <param name="Host">A name or an address; empty for every address; null for a Unix socket.</param>
/// <param name="Port">The port; 0 for any free one.</param>
/// <param name="Path">The path of a Unix socket, or null.</param>
internal sealed record ListenAddress(string? Host, int Port, string? Path)
{
    private const string UnixScheme = "unix:";

    /// <summary>Only programs of this machine can reach it.</summary>
    public bool IsLocal => Path is not null
        || Host!.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(Host, out var address) && IPAddress.IsLoopback(address));

    /// <summary>Reads <c>host:port</c>, <c>[v6]:port</c>, <c>:port</c> or <c>unix:PATH</c>.</summary>
    /// <returns>Null when it is none.</returns>
    public static ListenAddress? Parse(string text)
    {
        if (text.StartsWith(UnixScheme, StringComparison.Ordinal))
        {
            var path = text[UnixScheme.Length..];
            path = path.StartsWith("//", StringComparison.Ordinal) ? path[2..] : path;
            return path.Length == 0 ? null : new ListenAddress(null, 0, path);
        }

        var colon = text.LastIndexOf(':');
        if (colon < 0 || !ushort.TryParse(
            text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port))
        {
            return null;
        }

        var host = text[..colon];
        var isBracketed = host.StartsWith('[') && host.EndsWith(']');
        host = isBracketed ? host[1..^1] : host;
        var isHost = isBracketed
            ? IPAddress.TryParse(host, out _)
            : host.Length == 0 || Uri.CheckHostName(host) is UriHostNameType.Dns or UriHostNameType.IPv4;
        return isHost ? new ListenAddress(host, port, null) : null;
    }

    /// <inheritdoc/>
    public override string ToString() => Path is not null ? UnixScheme + Path
        : Host!.Contains(':', StringComparison.Ordinal)
            ? string.Create(CultureInfo.InvariantCulture, $"[{Host}]:{Port}")
            : string.Create(CultureInfo.InvariantCulture, $"{Host}:{Port}");
}
