using Ledger.EndToEnd.Processes;
using Xunit;

namespace Ledger.EndToEnd.CommandLine;

public sealed class DemoTests : IDisposable
{
    // Of the devices, the daemon, its streams and its hook, in the order in which they are shown.
    private static readonly string[] Steps =
    [
        "open an empty repository", "import the Unicode character table", "change a key on two sides, and merge",
        "verify everything", "a laptop, a phone, and a cloud", "edit on both while they are apart", "meet again",
        "ask both who won, and why", "look for the words in the cloud", "verify both devices", "start a daemon",
        "append orders of two schema versions", "read them as one", "tag one, and find it by its tag",
        "subscribe, and hear of an append", "consume them; one fails once", "see them posted to a web hook",
    ];

    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task The_demo_runs_from_any_directory_ends_with_the_root_and_leaves_nothing_behind()
    {
        var lines = await _shell.JsonAsync("demo");

        var directory = lines[0].GetProperty("result").GetString()!;
        Assert.Equal(
            Steps, lines[..^1].Select(line => line.GetProperty("step").GetString()!).Where(Steps.Contains));
        Assert.All(lines[..^1], line => Assert.True(line.GetProperty("seconds").GetDouble() >= 0));
        Assert.Equal(64, lines[^1].GetProperty("root").GetString()!.Length);
        Assert.False(Directory.Exists(directory));
        Assert.Empty(Directory.EnumerateFileSystemEntries(_shell.Directory.Path));
    }

    [Fact]
    public async Task Ctrl_C_in_the_demo_leaves_nothing_behind()
    {
        using var child = Child.StartLedger(_shell.Directory.Path, "demo", "--json");
        var first = System.Text.Json.JsonDocument.Parse((await child.ReadLineAsync())!).RootElement;
        var directory = first.GetProperty("result").GetString()!;

        await child.SignalAsync("INT");
        var result = await child.EndAsync();

        Assert.Equal((130, ""), (result.ExitCode, result.Error));
        Assert.False(Directory.Exists(directory));
    }
}
