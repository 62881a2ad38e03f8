using Ledger.EndToEnd.Processes;
using Xunit;

namespace Ledger.EndToEnd.CommandLine;

/// <summary>What shells complete, asked of the shells themselves.</summary>
public sealed class CompletionTests : IClassFixture<CompletionTests.Scripts>
{
    // A terminal of zsh's own, on which the line is typed.
    private const string Terminal =
        """
        zmodload zsh/zpty
        zpty shell "TERM=dumb zsh -f -i"
        zpty -w shell "PS1=; fpath=($1 \$fpath); autoload -U compinit; compinit -u -D; $2 echo re''ady"
        zpty -r shell said '*ready*'
        zpty -w -n shell "$3"$'\t'
        zpty -r shell said "*$4*"
        zpty -d shell
        """;

    private readonly Scripts _scripts;

    public CompletionTests(Scripts scripts) => _scripts = scripts;

    [Theory]
    [InlineData("ledger stream ap", "append")]
    [InlineData("ledger sta", "start status")]
    [InlineData("ledger --config x stream append hello --dedup", "--dedup-key")]
    public async Task Bash_completes(string line, string expected)
    {
        var words = line.Split(' ');
        var result = await RunAsync(
            "bash", "-c", $". ./ledger.bash; COMP_WORDS=({line}); COMP_CWORD={words.Length - 1}; _ledger 2>/dev/null; "
            + "echo \"${COMPREPLY[*]}\"");

        Assert.Equal(("", 0), (result.Error, result.ExitCode));
        Assert.Equal(expected.Split(' ').Order(), result.Text.Trim().Split(' ').Order());
    }

    [Theory]
    [InlineData("", "ledger stream ap", "append ")]
    [InlineData("source ./_ledger;", "ledger --config x stream append hello --dedup", "--dedup-key ")]
    public async Task Zsh_completes(string before, string line, string expected)
    {
        var result = Scripts.Has("zsh")
            ? await RunAsync("zsh", "-f", "-c", Terminal, "zsh", _scripts.Directory.Path, before, line, expected)
            : await RunAsync("bash", "-n", "./_ledger");

        Assert.Equal(("", 0), (result.Error, result.ExitCode));
    }

    [Theory]
    [InlineData("ledger stream ap", "append")]
    [InlineData("ledger sta", "start status")]
    [InlineData("ledger --config x stream append hello --dedup", "--dedup-key")]
    public async Task Fish_completes(string line, string expected)
    {
        if (!Scripts.Has("fish"))
        {
            var text = await File.ReadAllLinesAsync(_scripts.Directory["ledger.fish"]);
            Assert.All(text.Where(one => one.StartsWith("complete ", StringComparison.Ordinal)), AssertQuoted);
            Assert.Equal(
                text.Count(one => one.Trim() is "end"),
                text.Count(one => one.Trim().Split(' ')[0] is "function" or "for" or "if"));
            return;
        }

        var result = await RunAsync("fish", "--no-config", "-c", $"source ledger.fish; complete -C '{line}'");

        Assert.Equal(("", 0), (result.Error, result.ExitCode));
        Assert.Equal(expected.Split(' '), result.Lines.Select(one => one.Split('\t')[0]).Order());
    }

    /// <summary>Quotes are closed, and what is in them is escaped as fish reads it.</summary>
    private static void AssertQuoted(string line)
    {
        var isOpen = false;
        for (var at = 0; at < line.Length; at++)
        {
            if (isOpen && line[at] == '\\')
            {
                at++;
            }
            else if (line[at] == '\'')
            {
                isOpen = !isOpen;
            }
        }

        Assert.False(isOpen, line);
    }

    private async Task<ChildResult> RunAsync(string program, params string[] arguments)
    {
        using var child = Child.StartProgram(program, _scripts.Directory.Path, arguments);
        return await child.EndAsync().WaitAsync(TimeSpan.FromMinutes(2));
    }

    /// <summary>The scripts for all shells, in one directory.</summary>
    public sealed class Scripts : IAsyncLifetime, IDisposable
    {
        private static readonly (string Shell, string File)[] Files =
            [("bash", "ledger.bash"), ("zsh", "_ledger"), ("fish", "ledger.fish")];

        private readonly Shell _shell = new();

        internal TestDirectory Directory => _shell.Directory;

        /// <summary>Whether there is such a program.</summary>
        public static bool Has(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator).Any(directory => File.Exists(Path.Combine(directory, program)));

        public async Task InitializeAsync()
        {
            foreach (var (shell, file) in Files)
            {
                await File.WriteAllBytesAsync(Directory[file], (await _shell.DoAsync("completion", shell)).Output);
            }
        }

        public Task DisposeAsync() => Task.CompletedTask;

        public void Dispose() => _shell.Dispose();
    }
}
