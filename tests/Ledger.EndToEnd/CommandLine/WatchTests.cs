using System.Text.Json;
using Ledger.EndToEnd.Processes;
using Xunit;

namespace Ledger.EndToEnd.CommandLine;

public sealed class WatchTests : IDisposable
{
    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task Watch_prints_each_change_under_the_prefix_until_the_limit()
    {
        using var child = Child.StartLedger(
            _shell.Directory.Path, "page", "watch", "--import", "-", "--prefix", "a/", "--limit", "2", "--json");

        await child.WriteAsync(Shell.Bytes("{\"key\":\"b\",\"value\":\"0\"}\n{\"key\":\"a/1\",\"value\":\"1\"}\n"));
        var first = JsonDocument.Parse((await child.ReadLineAsync())!).RootElement;
        await child.WriteAsync(Shell.Bytes("{\"key\":\"a/1\",\"value\":\"2\"}\n"));
        var second = JsonDocument.Parse((await child.ReadLineAsync())!).RootElement;
        var result = await child.EndAsync();

        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        Assert.Equal(
            ("a/1", null, "1"),
            (first.GetProperty("key").GetString(), first.GetProperty("before").GetString(),
                first.GetProperty("after").GetString()));
        Assert.Equal(
            ("a/1", "1", "2"),
            (second.GetProperty("key").GetString(), second.GetProperty("before").GetString(),
                second.GetProperty("after").GetString()));
        Assert.NotEqual(first.GetProperty("commit").GetString(), second.GetProperty("commit").GetString());
    }

    [Theory]
    [InlineData("INT", 130)]
    [InlineData("HUP", 129)]
    public async Task Watch_ends_cleanly_at_Ctrl_C_and_when_its_terminal_goes(string signal, int exitCode)
    {
        using var child = Child.StartLedger(_shell.Directory.Path, "page", "watch", "--import", "-");
        await child.WriteAsync(Shell.Bytes("{\"key\":\"a\",\"value\":\"1\"}\n"));
        Assert.Equal("+ a\t1", await child.ReadLineAsync());

        await child.SignalAsync(signal);

        Assert.Equal(exitCode, (await child.EndAsync()).ExitCode);
        await _shell.AssertSoundAsync();
    }

    [Fact]
    public async Task Watch_ends_with_141_when_its_reader_goes_and_nothing_more_comes()
    {
        _shell.Directory.Write("rows.jsonl", ["""{"key":"a","value":"1"}"""]);
        var cli = Path.Combine(AppContext.BaseDirectory, "Ledger.Cli.dll");
        using var child = Child.StartProgram(
            "bash", _shell.Directory.Path,
            ["-c", $"dotnet '{cli}' page watch --import rows.jsonl | head -n 1; echo ${{PIPESTATUS[0]}}"]);

        var result = await child.EndAsync();

        Assert.Equal(("+ a\t1\n141\n", ""), (result.Text, result.Error));
    }

    [Fact]
    public async Task Watch_ends_when_its_import_fails()
    {
        using var child = Child.StartLedger(_shell.Directory.Path, "page", "watch", "--import", "-");
        await child.WriteAsync(Shell.Bytes("nonsense\n"));

        var result = await child.EndAsync();

        Assert.Equal(1, result.ExitCode);
        Assert.StartsWith("ledger: Line 1 of 'watch' is malformed", result.Error, StringComparison.Ordinal);
    }
}
