using System.Reflection;
using Ledger.Tests.Tidy;
using Xunit;

namespace Ledger.Tests.PublicApi;

/// <summary>The public surface changes only on purpose.</summary>
public sealed class PublicApiTests
{
    [Theory]
    [InlineData("Ledger")]
    [InlineData("Ledger.Streams")]
    [InlineData("Ledger.Streams.Sqlite")]
    [InlineData("Ledger.Streams.Postgres")]
    [InlineData("Ledger.Rpc")]
    public void The_public_surface_is_the_approved_one(string assembly)
    {
        var approvedPath = $"tests/Ledger.Tests/PublicApi/{assembly}.approved.txt";
        var path = Path.Combine(SourceFile.RepositoryRoot, approvedPath);
        var actual = ApiText.Of(Assembly.Load(assembly));

        if (Environment.GetEnvironmentVariable("LEDGER_ACCEPT") == "1")
        {
            File.WriteAllText(path, actual);
        }

        var approved = File.Exists(path) ? File.ReadAllText(path) : "";
        Assert.True(approved == actual, Difference(approvedPath, approved, actual));
    }

    private static string Difference(string approvedPath, string approved, string actual)
    {
        var before = approved.Split('\n');
        var after = actual.Split('\n');
        var lines = before.Except(after).Select(line => "- " + line)
            .Concat(after.Except(before).Select(line => "+ " + line));
        return $"The public surface is not that of {approvedPath}.\n{string.Join('\n', lines)}\n" +
            "If that is meant, run the test once with LEDGER_ACCEPT=1 and commit the file.";
    }
}
