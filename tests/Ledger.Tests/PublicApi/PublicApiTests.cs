using Ledger.Tests.Tidy;
using Xunit;

namespace Ledger.Tests.PublicApi;

/// <summary>The public surface changes only on purpose.</summary>
public sealed class PublicApiTests
{
    private const string ApprovedPath = "tests/Ledger.Tests/PublicApi/Ledger.approved.txt";

    [Fact]
    public void The_public_surface_is_the_approved_one()
    {
        var path = Path.Combine(SourceFile.RepositoryRoot, ApprovedPath);
        var actual = ApiText.Of(typeof(RepositoryOptions).Assembly);

        if (Environment.GetEnvironmentVariable("LEDGER_ACCEPT") == "1")
        {
            File.WriteAllText(path, actual);
        }

        var approved = File.Exists(path) ? File.ReadAllText(path) : "";
        Assert.True(approved == actual, Difference(approved, actual));
    }

    private static string Difference(string approved, string actual)
    {
        var before = approved.Split('\n');
        var after = actual.Split('\n');
        var lines = before.Except(after).Select(line => "- " + line)
            .Concat(after.Except(before).Select(line => "+ " + line));
        return $"The public surface is not that of {ApprovedPath}.\n{string.Join('\n', lines)}\n" +
            "If that is meant, run the test once with LEDGER_ACCEPT=1 and commit the file.";
    }
}
