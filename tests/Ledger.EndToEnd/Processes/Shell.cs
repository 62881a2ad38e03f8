using System.Text;
using System.Text.Json;
using Xunit;

namespace Ledger.EndToEnd.Processes;

/// <summary>Runs the command line in a directory of its own, as a user would.</summary>
internal sealed class Shell : IDisposable
{
    /// <summary>The working directory; the repository is <c>.ledger</c> in it.</summary>
    public TestDirectory Directory { get; } = new();

    /// <summary>Runs a command to its end, without input.</summary>
    public Task<ChildResult> RunAsync(params IEnumerable<string> arguments) => PipeAsync([], arguments);

    /// <summary>Runs a command with standard input.</summary>
    public async Task<ChildResult> PipeAsync(byte[] input, params IEnumerable<string> arguments)
    {
        using var child = Child.StartLedger(Directory.Path, arguments);
        await child.WriteAsync(input);
        child.CloseInput();
        return await child.EndAsync();
    }

    /// <summary>Runs a command that must succeed.</summary>
    public async Task<ChildResult> DoAsync(params IEnumerable<string> arguments)
    {
        var result = await RunAsync(arguments);
        Assert.True(
            result.ExitCode == 0, $"'{string.Join(' ', arguments)}' ended with {result.ExitCode}: {result.Error}");
        return result;
    }

    /// <summary>Runs a command that must succeed, and reads each line of its output as JSON.</summary>
    public async Task<JsonElement[]> JsonAsync(params IEnumerable<string> arguments) =>
        [.. (await DoAsync([.. arguments, "--json"])).Lines.Select(line => JsonDocument.Parse(line).RootElement)];

    /// <summary>Runs a command that must fail with an exit code, saying one sentence.</summary>
    /// <returns>The sentence.</returns>
    public async Task<string> FailAsync(int exitCode, params IEnumerable<string> arguments)
    {
        var result = await RunAsync(arguments);
        var lines = result.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.True(
            result.ExitCode == exitCode,
            $"'{string.Join(' ', arguments)}' ended with {result.ExitCode}, not {exitCode}: {result.Error}");
        Assert.InRange(lines.Length, 1, 2);
        Assert.StartsWith("ledger: ", lines[0], StringComparison.Ordinal);
        return lines[0]["ledger: ".Length..];
    }

    /// <summary>Whether the repository is sound.</summary>
    public async Task AssertSoundAsync()
    {
        var report = Assert.Single(await JsonAsync("verify"));
        Assert.Empty(report.GetProperty("problems").EnumerateArray());
    }

    /// <summary>The bytes of a text.</summary>
    public static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    /// <inheritdoc/>
    public void Dispose() => Directory.Dispose();
}
