using System.CommandLine;
using Ledger.Cli;
using Ledger.Cli.Daemons;
using Ledger.Cli.Terminal;
using Ledger.Objects;
using Xunit;

namespace Ledger.Tests.Cli;

public sealed class CommandLineTests : IDisposable
{
    private readonly CommandShell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Theory]
    [InlineData("page get title --addr localhost:1", "'ledger page get' does nothing with '--addr'.")]
    [InlineData("--addr localhost:1 page put a b", "'ledger page put' does nothing with '--addr'.")]
    [InlineData("page scan --tls-cert none", "'ledger page scan' does nothing with '--tls-cert'.")]
    [InlineData("verify --tls-ca none", "'ledger verify' does nothing with '--tls-ca'.")]
    [InlineData("sync now --api-key x", "'ledger sync now' does nothing with '--api-key'.")]
    [InlineData("page list --page root", "'ledger page list' does nothing with '--page'.")]
    [InlineData("page get a --durability buffered", "'ledger page get' does nothing with '--durability'.")]
    [InlineData("stream list --stream s", "'ledger stream list' does nothing with '--stream'.")]
    [InlineData("stream import x --stream s", "'ledger stream import' does nothing with '--stream'.")]
    [InlineData("stream read --data x", "'ledger stream read' does nothing with '--data'.")]
    [InlineData("status --addr localhost:1", "'ledger status' does nothing with '--addr'.")]
    [InlineData("sync reset --app a --secret-file x", "'ledger sync reset' does nothing with '--app'.")]
    [InlineData(
        "stream read --db sqlite:x --addr localhost:1",
        "--db is a database without a daemon, and --addr is where a daemon is: give one of them.")]
    [InlineData("page scan --output xml", "--output is text or json, not 'xml'.")]
    [InlineData("completion tcsh", "shell is bash, zsh or fish, not 'tcsh'.")]
    [InlineData(
        "page merge --resolver best",
        "--resolver is json-fields, set-union, counter, maximum or keep-both, not 'best'.")]
    [InlineData(
        "page put a\uFFFD v", "The argument 'a\uFFFD' is not UTF-8, or has the mark U+FFFD of what is none.")]
    [InlineData(
        "stream read --db postgres:nonsense",
        "What --db has after 'postgres:' is no connection string of PostgreSQL.")]
    [InlineData(
        "stream read --addr ftp://x", "--addr is host:port, http(s)://host:port or unix:PATH, not 'ftp://x'.")]
    public async Task What_a_command_cannot_use_is_refused_before_anything_is_done(string arguments, string sentence)
    {
        var result = await _shell.RunAsync(arguments.Split(' '));

        Assert.Equal((2, sentence), (result.ExitCode, result.Sentence));
        Assert.DoesNotContain("Parameter", result.Errors, StringComparison.Ordinal);
        Assert.Empty(result.Output);
    }

    [Theory]
    [InlineData("version --config x --api-key y --http-addr z")]
    [InlineData("completion bash --config x")]
    public async Task What_scripts_of_the_original_give_without_harm_is_taken(string arguments) =>
        Assert.Equal(0, (await _shell.RunAsync(arguments.Split(' '))).ExitCode);

    [Theory]
    [InlineData("page get --help", "--data", "--addr")]
    [InlineData("page get --help", "--page", "--durability")]
    [InlineData("page put --help", "--durability", "--tls-ca")]
    [InlineData("stream read --help", "--addr", "--data")]
    [InlineData("stream list --help", "--store", "--stream")]
    [InlineData("stream append --help", "--payload-json", "Short for --output json")]
    [InlineData("page --help", "--durability", "--addr")]
    [InlineData("--help", "--addr", "--http-addr")]
    public async Task Help_shows_the_options_that_a_command_uses_and_no_others(
        string arguments, string shown, string hidden)
    {
        var help = await HelpAsync(arguments.Split(' '));

        Assert.Contains(shown, help, StringComparison.Ordinal);
        Assert.DoesNotContain(hidden, help, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_command_of_pages_and_streams_has_examples_that_are_command_lines()
    {
        var root = CommandLine.Create(new CommandStreams());
        var commands = root.Subcommands
            .SelectMany(command => command.Subcommands.Prepend(command)).ToList();

        Assert.All(commands, command => Assert.True(
            command is ExampleCommand { Examples.Count: > 0 }, $"'{command.Name}' has no examples."));
        Assert.All(commands.Cast<ExampleCommand>().SelectMany(command => command.Examples), example =>
        {
            var words = Words(example).ToArray();
            var parse = root.Parse(words);
            var errors = string.Join(' ', parse.Errors.Select(error => error.Message));
            Assert.True(errors.Length == 0, $"{example}: {errors}");
            Assert.Null(OptionUse.FindUnused(parse));
        });
    }

    [Fact]
    public async Task Lists_have_a_line_for_each_entry_and_get_gives_its_bytes()
    {
        await _shell.PageAsync("put", "a\nb\tc", "1\n\u001b[31m2");

        Assert.Equal("a\\nb\\tc\t1\\n\\x1b[31m2\n", await _shell.PageAsync("scan"));
        Assert.Equal("a\\nb\\tc\n", await _shell.PageAsync("keys"));
        Assert.EndsWith("  1\\n\\x1b[31m2\n", await _shell.PageAsync("history", "a\nb\tc"), StringComparison.Ordinal);
        Assert.StartsWith("1\n\u001b[31m2", await _shell.PageAsync("get", "a\nb\tc"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_entries_of_a_stream_have_a_line_each()
    {
        string[] store = ["--db", "sqlite:" + _shell["app.db"], "--stream", "s\n"];
        await _shell.RunAsync(["stream", "append", "one\ntwo\u001b", .. store]);

        var read = await _shell.RunAsync(["stream", "read", .. store]);
        var list = await _shell.RunAsync("stream", "list", "--db", "sqlite:" + _shell["app.db"]);

        Assert.Equal(("1\tone\\ntwo\\x1b\n", "s\\n\n"), (read.Text, list.Text));
    }

    [Fact]
    public async Task A_directory_with_pages_takes_no_daemon_and_one_with_a_daemon_no_pages()
    {
        await _shell.PageAsync("put", "a", "1");
        Directory.CreateDirectory(_shell["daemon"]);
        await File.WriteAllTextAsync(_shell["daemon/config.yaml"], "");

        var start = await _shell.RunAsync("start", "--config", _shell["data/config.yaml"]);
        var put = await _shell.RunAsync("page", "put", "a", "1", "--data", _shell["daemon"]);
        var get = await _shell.RunAsync("page", "get", "a", "--data", _shell["daemon"]);

        Assert.Equal(
            (5, $"'{_shell["data"]}' holds a repository of pages, not the files of a daemon."),
            (start.ExitCode, start.Sentence));
        Assert.False(File.Exists(_shell["data/config.yaml"]));
        Assert.All([put, get], result =>
        {
            Assert.Equal(
                (5, $"'{_shell["daemon"]}' has the files of a daemon, which pages are kept apart from."),
                (result.ExitCode, result.Sentence));
            Assert.Contains("--data", result.Errors, StringComparison.Ordinal);
        });
        Assert.Equal([_shell["daemon/config.yaml"]], Directory.GetFileSystemEntries(_shell["daemon"]));
    }

    [Fact]
    public void A_user_without_a_directory_is_asked_for_a_configuration()
    {
        var error = Assert.Throws<CliException>(() => ServerOptions.PathIn(""));

        Assert.Equal(ExitCodes.Usage, error.ExitCode);
        Assert.StartsWith("Give --config PATH", error.Hint, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("status")]
    [InlineData("stop")]
    [InlineData("reload")]
    public async Task A_configuration_that_is_named_and_not_there_is_not_found(string command)
    {
        var result = await _shell.RunAsync(command, "--config", _shell["none.yaml"]);

        Assert.Equal(
            (3, $"There is no configuration '{_shell["none.yaml"]}'."), (result.ExitCode, result.Sentence));
    }

    [Fact]
    public void What_is_denied_has_a_code_of_its_own()
    {
        var denied = new StoreUnavailableException(StoreUnavailableReason.Denied, "Not for you.");

        Assert.Equal(6, ErrorTable.Find(denied)!.ExitCode);
        Assert.Equal(6, ErrorTable.OfDatabase(denied).ExitCode);
        Assert.Equal(
            5, ErrorTable.Find(new StoreUnavailableException(StoreUnavailableReason.InputOutput, "No."))!.ExitCode);
    }

    [Fact]
    public async Task The_root_of_an_application_is_there_before_anything_is_in_it()
    {
        var page = (await _shell.PageAsync("create")).Trim();
        await _shell.PageAsync("put", "a", "1", "--page", page);

        Assert.Equal("", await _shell.PageAsync("scan"));
        Assert.Equal("0\n", await _shell.PageAsync("count"));
        Assert.Equal("", await _shell.PageAsync("log"));
        Assert.Equal(page + "\n", await _shell.PageAsync("list"));
    }

    [Fact]
    public async Task A_page_with_entries_is_deleted_after_a_question_where_somebody_is_there()
    {
        string[] delete = ["page", "delete", "root", "--data", _shell["data"]];
        var asked = new List<string>();
        await _shell.PageAsync("put", "a", "1");
        _shell.Confirm = question =>
        {
            asked.Add(question);
            return false;
        };

        var refused = await _shell.RunAsync(delete);
        var kept = await _shell.PageAsync("scan");
        var done = await _shell.RunAsync([.. delete, "--yes"]);
        await _shell.PageAsync("put", "b", "1");
        _shell.Confirm = null;
        var scripted = await _shell.RunAsync(delete);

        Assert.Equal(
            ["Delete page root of application 'default' with 1 entry and its history?"], asked);
        Assert.Equal((1, "Nothing was deleted.", "a\t1\n"), (refused.ExitCode, refused.Sentence, kept));
        Assert.Equal((0, 0), (done.ExitCode, scripted.ExitCode));
    }

    [Fact]
    public async Task A_join_that_finds_no_cloud_makes_nothing_and_a_secret_is_told_from_other_files()
    {
        await _shell.PageAsync("put", "a", "1");
        string[] cloud = ["--cloud", "dir:" + _shell["cloud"]];
        await File.WriteAllBytesAsync(_shell["photo"], new byte[100_000]);
        var init = await _shell.RunAsync(
            ["sync", "init", .. cloud, "--secret-file", _shell["secret"], "--data", _shell["data"]]);

        var taken = await _shell.RunAsync(
            ["sync", "init", .. cloud, "--secret-file", _shell["photo"], "--data", _shell["other"]]);
        var lost = await _shell.RunAsync(
            "sync", "join", "--secret-file", _shell["secret"], "--cloud", "dir:" + _shell["none"], "--data",
            _shell["other"]);
        var photo = await _shell.RunAsync("sync", "join", "--secret-file", _shell["photo"], "--data", _shell["other"]);
        var made = Directory.Exists(_shell["other"]);
        var join = await _shell.RunAsync(
            "sync", "join", "--secret-file", _shell["secret"], "--data", _shell["other"]);

        Assert.Equal(0, init.ExitCode);
        Assert.Equal((4, 3, 1), (taken.ExitCode, lost.ExitCode, photo.ExitCode));
        Assert.DoesNotContain("init", lost.Errors, StringComparison.Ordinal);
        Assert.EndsWith(
            "A secret has 8192 bytes at most, and the file has 100000.", photo.Sentence, StringComparison.Ordinal);
        Assert.False(made);
        Assert.Equal((0, ""), (join.ExitCode, join.Errors));
    }

    private static async Task<string> HelpAsync(string[] arguments)
    {
        using var text = new StringWriter();
        var parse = CommandLine.Create(new CommandStreams()).Parse(arguments);
        await parse.InvokeAsync(new InvocationConfiguration { Output = text });
        return text.ToString();
    }

    // As a shell parts them: quotes keep together, and what is after a redirection is not an argument.
    private static IEnumerable<string> Words(string line)
    {
        var parts = line.Split('\'');
        for (var i = 0; i < parts.Length; i++)
        {
            if (i % 2 == 1)
            {
                yield return parts[i];
                continue;
            }

            foreach (var word in parts[i].Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                if (word is ">" or "<")
                {
                    yield break;
                }

                yield return word;
            }
        }
    }
}
