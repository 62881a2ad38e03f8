using Ledger.Runtime;

namespace Ledger.Sync;

/// <summary>Where a cloud is, as users write it: <c>dir:</c> and a path.</summary>
internal static class CloudLocation
{
    private const string DirectoryPrefix = "dir:";

    /// <summary>A cloud that is there or not: each operation finds out.</summary>
    /// <param name="runtime">The seams.</param>
    /// <param name="location">Where it is.</param>
    /// <exception cref="ArgumentException">Nothing that is known begins like this.</exception>
    public static ICloudProvider Open(LedgerRuntime runtime, string location)
    {
        Check(location);
        return DirectoryCloud.At(runtime, location[DirectoryPrefix.Length..]);
    }

    /// <summary>Opens a cloud, and makes one when there is none.</summary>
    /// <param name="runtime">The seams.</param>
    /// <param name="location">Where it is.</param>
    /// <param name="cancellationToken">Ends the opening.</param>
    /// <exception cref="ArgumentException">Nothing that is known begins like this.</exception>
    /// <exception cref="CloudUnavailableException">It cannot be made or used.</exception>
    public static async ValueTask<ICloudProvider> CreateAsync(
        LedgerRuntime runtime, string location, CancellationToken cancellationToken)
    {
        Check(location);
        return await DirectoryCloud.OpenAsync(
            runtime, location[DirectoryPrefix.Length..], create: true, cancellationToken);
    }

    /// <summary>Refuses what is no place of a cloud.</summary>
    public static void Check(string location)
    {
        ArgumentException.ThrowIfNullOrEmpty(location);
        if (!location.StartsWith(DirectoryPrefix, StringComparison.Ordinal) ||
            location.Length == DirectoryPrefix.Length || location.Contains('\n', StringComparison.Ordinal))
        {
            throw new ArgumentException(
                $"'{location}' is not the place of a cloud: that is '{DirectoryPrefix}' and a path.", nameof(location));
        }
    }
}
