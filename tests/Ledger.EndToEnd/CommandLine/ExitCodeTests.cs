using Ledger.EndToEnd.Processes;
using Xunit;

namespace Ledger.EndToEnd.CommandLine;

public sealed class ExitCodeTests : IDisposable
{
    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Theory]
    [InlineData("page")]
    [InlineData("pages list")]
    [InlineData("page get")]
    [InlineData("page get a --nope")]
    [InlineData("page get a b")]
    [InlineData("page put a")]
    [InlineData("page put a 1 --file x")]
    [InlineData("page put a xyz --hex")]
    [InlineData("page put a 1 --durability maybe")]
    [InlineData("page get a --page 123")]
    [InlineData("page scan --limit -1")]
    [InlineData("page scan --output xml")]
    [InlineData("page import - --batch 0")]
    [InlineData("page diff 123456")]
    public async Task A_wrong_command_line_is_exit_code_2_and_touches_nothing(string arguments)
    {
        await _shell.FailAsync(2, arguments.Split(' '));

        Assert.Empty(Directory.EnumerateFileSystemEntries(_shell.Directory.Path));
    }

    [Fact]
    public async Task A_key_of_1025_bytes_is_refused()
    {
        var message = await _shell.FailAsync(2, "page", "put", new string('k', 1025), "1");

        Assert.Equal("The key has 1025 bytes; keys have 1 to 1024.", message);
        await _shell.DoAsync("page", "put", new string('k', 1024), "1");
    }

    [Theory]
    [InlineData("page get a")]
    [InlineData("page list")]
    [InlineData("page rm a")]
    [InlineData("page log")]
    [InlineData("page watch")]
    [InlineData("verify")]
    public async Task Reading_where_there_is_no_repository_is_exit_code_3_and_makes_none(string arguments)
    {
        var message = await _shell.FailAsync(3, arguments.Split(' '));

        Assert.Equal("There is no repository at '.ledger'.", message);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_shell.Directory.Path));
    }

    [Theory]
    [InlineData("get a")]
    [InlineData("rm a")]
    [InlineData("scan")]
    [InlineData("keys")]
    [InlineData("count")]
    [InlineData("export")]
    [InlineData("log")]
    [InlineData("history a")]
    [InlineData("watch")]
    public async Task Reading_a_page_or_an_application_that_is_not_stored_is_exit_code_3(string arguments)
    {
        var page = new string('1', 32);
        await _shell.DoAsync("page", "put", "a", "1");

        var noPage = await _shell.FailAsync(3, ["page", .. arguments.Split(' '), "--page", page]);
        var noApp = await _shell.FailAsync(3, ["page", .. arguments.Split(' '), "--app", "other"]);

        Assert.Equal($"Application 'default' has no page {page}.", noPage);
        Assert.Equal("The repository at '.ledger' has no application 'other'.", noApp);
    }

    [Fact]
    public async Task A_missing_input_file_is_exit_code_3_and_makes_no_repository()
    {
        await _shell.FailAsync(3, "page", "put", "a", "--file", "nope");
        await _shell.FailAsync(3, "page", "import", "nope");

        Assert.Empty(Directory.EnumerateFileSystemEntries(_shell.Directory.Path));
    }

    [Fact]
    public async Task A_directory_that_is_not_a_repository_is_refused_and_left_alone()
    {
        Directory.CreateDirectory(_shell.Directory["photos"]);
        _shell.Directory.Write("photos/cat.jpg", "meow");

        await _shell.FailAsync(5, "page", "put", "a", "1", "--data", "photos");
        await _shell.FailAsync(5, "page", "get", "a", "--data", "photos");

        Assert.Equal(
            [_shell.Directory["photos/cat.jpg"]], Directory.EnumerateFileSystemEntries(_shell.Directory["photos"]));
    }

    [Fact]
    public async Task A_second_process_is_refused_and_the_first_goes_on()
    {
        using var first = Child.StartLedger(
            _shell.Directory.Path, "page", "import", "-", "--acks", "--batch", "1", "--json");
        await first.WriteAsync(Shell.Bytes("{\"key\":\"a\",\"value\":\"1\"}\n"));
        Assert.Equal("{\"lines\":1}", await first.ReadLineAsync());

        await _shell.FailAsync(5, "page", "get", "a");
        await _shell.FailAsync(5, "page", "put", "a", "2");
        first.CloseInput();

        Assert.Equal(0, (await first.EndAsync()).ExitCode);
        Assert.Equal("1", (await _shell.DoAsync("page", "get", "a")).Text);
    }

    [Fact]
    public async Task Ctrl_C_ends_with_130_and_leaves_a_clean_store()
    {
        using var child = Child.StartLedger(
            _shell.Directory.Path, "page", "import", "-", "--acks", "--batch", "1", "--json");
        await child.WriteAsync(Shell.Bytes("{\"key\":\"a\",\"value\":\"1\"}\n"));
        Assert.Equal("{\"lines\":1}", await child.ReadLineAsync());

        await child.SignalAsync("INT");
        var result = await child.EndAsync();

        Assert.Equal((130, ""), (result.ExitCode, result.Error));
        Assert.Equal("1", (await _shell.DoAsync("page", "get", "a")).Text);
        await _shell.AssertSoundAsync();
    }

    [Fact]
    public async Task A_reader_that_goes_away_is_exit_code_141()
    {
        _shell.Directory.Write(
            "rows.jsonl",
            Enumerable.Range(0, 2000).Select(i => $$"""{"key":"{{i}}","value":"{{new string('x', 400)}}"}"""));
        await _shell.DoAsync("page", "import", "rows.jsonl");

        // The shell's own pipe: 800 KB do not fit into it, so the writer meets its end.
        var cli = Path.Combine(AppContext.BaseDirectory, "Ledger.Cli.dll");
        using var child = Child.StartProgram(
            "bash", _shell.Directory.Path,
            ["-c", $"dotnet '{cli}' page scan | head -n 1 | wc -l; echo ${{PIPESTATUS[0]}}"]);
        var result = await child.EndAsync();

        Assert.Equal(("1\n141\n", ""), (result.Text, result.Error));
    }

    [Fact]
    public async Task Output_of_two_commands_in_one_file_follows_each_other()
    {
        await _shell.DoAsync("page", "put", "a", "one\n");
        await _shell.DoAsync("page", "put", "b", "two\n");

        var cli = Path.Combine(AppContext.BaseDirectory, "Ledger.Cli.dll");
        using var child = Child.StartProgram(
            "bash", _shell.Directory.Path,
            ["-c", $"{{ dotnet '{cli}' page get a; dotnet '{cli}' page get b; }} > out"]);
        await child.EndAsync();

        Assert.Equal("one\ntwo\n", await File.ReadAllTextAsync(_shell.Directory["out"]));
    }
}
