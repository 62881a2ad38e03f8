using System.Globalization;

namespace Ledger.Runtime;

/// <summary>An address of the network seam, taken apart: <c>host:port</c> or <c>unix:path</c>.</summary>
/// <param name="Host">A name or an IP address, IPv6 in brackets; null for a Unix socket.</param>
/// <param name="Port">0 to 65535; 0 takes any free one when listening.</param>
/// <param name="UnixPath">The socket file; null for TCP.</param>
internal readonly record struct NetworkAddress(string? Host, int Port, string? UnixPath)
{
    private const string UnixPrefix = "unix:";

    /// <summary>Takes an address apart.</summary>
    /// <exception cref="ArgumentException">It is neither of the two forms.</exception>
    public static NetworkAddress Parse(string address)
    {
        if (address.Length > UnixPrefix.Length && address.StartsWith(UnixPrefix, StringComparison.Ordinal))
        {
            return new(null, 0, address[UnixPrefix.Length..]);
        }

        var colon = address.LastIndexOf(':');
        var isPort = ushort.TryParse(
            address.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port);
        return colon > 0 && isPort
            ? new(address[..colon], port, null)
            : throw new ArgumentException(
                $"'{address}' is no network address: it must be host:port or unix:path.", nameof(address));
    }
}
