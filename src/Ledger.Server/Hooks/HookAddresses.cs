using System.Net;
using System.Net.Sockets;

namespace Ledger.Server.Hooks;

/// <summary>Which addresses a hook may post to.</summary>
internal static class HookAddresses
{
    // Everything that IANA's special-purpose registries say is not globally reachable, and what wraps such an address.
    private static readonly IPNetwork[] Refused4 =
    [
        .. new[]
        {
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
            "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        }.Select(text => IPNetwork.Parse(text)),
    ];

    private static readonly IPNetwork Global6 = IPNetwork.Parse("2000::/3");

    private static readonly IPNetwork[] Refused6 =
    [
        .. new[] { "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20" }.Select(text => IPNetwork.Parse(text)),
    ];

    private static readonly IPNetwork Translated6 = IPNetwork.Parse("64:ff9b::/96");

    /// <summary>
    /// Whether the address is of the public Internet: not loopback, private, link-local (where clouds serve their
    /// metadata), multicast or reserved.
    /// </summary>
    public static bool IsPublic(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        if (address.IsIPv4MappedToIPv6)
        {
            address = address.MapToIPv4();
        }

        if (address.AddressFamily == AddressFamily.InterNetwork)
        {
            return !Array.Exists(Refused4, network => network.Contains(address));
        }

        if (address.AddressFamily != AddressFamily.InterNetworkV6 || address.ScopeId != 0)
        {
            return false;
        }

        // A network without IPv4 reaches the old addresses through these: what counts is the one inside.
        return Translated6.Contains(address)
            ? IsPublic(new IPAddress(address.GetAddressBytes().AsSpan(12)))
            : Global6.Contains(address) && !Array.Exists(Refused6, network => network.Contains(address));
    }
}
