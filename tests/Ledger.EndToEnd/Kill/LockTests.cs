using Ledger.EndToEnd.Processes;
using Xunit;

namespace Ledger.EndToEnd.Kill;

/// <summary>One process at a time has a store.</summary>
public sealed class LockTests
{
    [Fact]
    public async Task A_second_process_is_refused_also_when_the_environment_says_that_files_are_not_locked()
    {
        using var directory = new TestDirectory();
        using var first = Start(directory);
        Assert.NotNull(await first.ReadLineAsync());

        using var second = Start(directory);
        var written = await second.ReadLineAsync();

        Assert.True(written is null, "The second process wrote to the store that the first one has open.");
        var ended = await second.EndAsync();
        Assert.NotEqual(0, ended.ExitCode);
        Assert.Contains("is open in another process", ended.Error, StringComparison.Ordinal);
        Assert.False(first.HasExited);
    }

    private static Child Start(TestDirectory directory) => Child.StartProgram(
        "env", AppContext.BaseDirectory,
        [
            "DOTNET_SYSTEM_IO_DISABLEFILELOCKING=1", "dotnet",
            Path.Combine(AppContext.BaseDirectory, "Ledger.EndToEnd.dll"), "kill", directory["store"],
            "1", "1", "1", "1",
        ]);
}
