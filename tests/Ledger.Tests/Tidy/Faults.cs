using Xunit;

namespace Ledger.Tests.Tidy;

/// <summary>Reports all faults at once, one on each line: fixing them one by one would take a build for each.</summary>
internal static class Faults
{
    /// <summary>Fails with the whole list unless it is empty.</summary>
    public static void AssertNone(IEnumerable<string?> faults)
    {
        var found = faults.ToArray();
        Assert.True(found.Length == 0, $"{found.Length} faults:\n{string.Join('\n', found)}");
    }
}
