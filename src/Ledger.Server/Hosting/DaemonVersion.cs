using System.Reflection;

namespace Ledger.Server.Hosting;

/// <summary>Which version this is.</summary>
internal static class DaemonVersion
{
    /// <summary>The version, without what the build adds.</summary>
    public static string Text { get; } =
        (typeof(DaemonVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()
            ?.InformationalVersion ?? "0").Split('+')[0];
}
