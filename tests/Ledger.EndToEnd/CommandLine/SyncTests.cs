using System.Text.Json;
using Ledger.EndToEnd.Processes;
using Xunit;

namespace Ledger.EndToEnd.CommandLine;

public sealed class SyncTests : IDisposable
{
    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task Two_devices_diverge_meet_and_say_the_same_of_the_conflict()
    {
        await SetUpAsync("a");
        await JoinAsync("b");
        await _shell.DoAsync("page", "put", "title", "of a", "--data", "a");
        await _shell.DoAsync("page", "put", "title", "of b", "--data", "b");
        await _shell.DoAsync("page", "put", "only", "b", "--data", "b");

        foreach (var device in new[] { "a", "b", "a" })
        {
            await _shell.DoAsync("sync", "now", "--data", device);
        }

        var scans = await BothAsync("page", "scan");
        var heads = await BothAsync("page", "heads", "--json");
        var explained = await BothAsync("page", "explain", "title", "--json");
        Assert.Equal("only\tb\ntitle\tof b\n", scans[0]);
        Assert.Equal(scans[0], scans[1]);
        Assert.Equal(heads[0], heads[1]);
        var merge = JsonDocument.Parse(explained[0]).RootElement;
        Assert.Equal("of b", merge.GetProperty("result").GetString());
        foreach (var device in new[] { "a", "b" })
        {
            await _shell.DoAsync("verify", "--data", device);
        }
    }

    [Fact]
    public async Task Status_says_in_json_what_stands_and_a_repeated_init_changes_nothing()
    {
        var secret = await SetUpAsync("a");
        await JoinAsync("b");

        await _shell.DoAsync("sync", "init", "--cloud", "dir:cloud", "--secret-file", "secret", "--data", "a");
        var status = Assert.Single(await _shell.JsonAsync("sync", "status", "--data", "a"));

        Assert.Equal(secret, await File.ReadAllTextAsync(_shell.Directory["secret"]));
        Assert.Equal("default", status.GetProperty("app").GetString());
        Assert.Equal("idle", status.GetProperty("phase").GetString());
        Assert.Equal(JsonValueKind.Null, status.GetProperty("error").ValueKind);
        Assert.Empty(status.GetProperty("problems").EnumerateArray());
        Assert.Single(status.GetProperty("devices").EnumerateArray());
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(
                UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_shell.Directory["secret"]));
        }
    }

    [Fact]
    public async Task Join_imports_another_repository_and_finds_the_cloud_elsewhere()
    {
        await SetUpAsync("a");
        await _shell.DoAsync("page", "put", "own", "kept", "--data", "old");
        Directory.Move(_shell.Directory["cloud"], _shell.Directory["moved"]);

        await _shell.FailAsync(3, "sync", "join", "--secret-file", "secret", "--data", "lost");
        await _shell.DoAsync(
            "sync", "join", "--secret-file", "secret", "--cloud", "dir:moved", "--import", "old", "--data", "b");

        Assert.Equal("own\tkept\ntitle\tfirst\n", (await _shell.DoAsync("page", "scan", "--data", "b")).Text);
        Assert.Equal("own\tkept\n", (await _shell.DoAsync("page", "scan", "--data", "old")).Text);
    }

    [Theory]
    [InlineData(3, "now --data other", "This repository has no cloud: its synchronisation was never set up.")]
    [InlineData(3, "now --data none", "There is no repository at 'none'.")]
    [InlineData(3, "join --secret-file nope --data b", "There is no file 'nope'.")]
    [InlineData(1, "join --secret-file bad --data b", "'bad' has no secret.")]
    [InlineData(1, "join --secret-file mistyped --data b", "'mistyped' has no secret.")]
    [InlineData(5, "join --secret-file secret --data other", "'other' is a repository already")]
    [InlineData(4, "init --cloud dir:elsewhere --secret-file s --data a", "This repository synchronises with 'dir:")]
    [InlineData(4, "init --cloud dir:cloud --secret-file bad --data a", "The file 'bad' is there already")]
    [InlineData(2, "init --secret-file s --data a", "--cloud is missing")]
    [InlineData(2, "init --cloud cloud --secret-file s --data a", "--cloud is dir:PATH, not 'cloud'.")]
    [InlineData(2, "init --cloud dir:cloud --data a", "Option '--secret-file' is required.")]
    [InlineData(2, "now --timeout 0", "--timeout is a number of seconds from 1 on, not '0'.")]
    [InlineData(2, "now --tiemout 1", "'--tiemout' is not an option of 'ledger sync now'.")]
    public async Task What_cannot_be_done_has_its_exit_code_and_says_why(int exitCode, string arguments, string message)
    {
        var secret = await SetUpAsync("a");
        await _shell.DoAsync("page", "put", "x", "y", "--data", "other");
        _shell.Directory.Write("bad", "This is no secret.");
        var digit = secret.IndexOf("secret: ", StringComparison.Ordinal) + 8;
        await File.WriteAllTextAsync(
            _shell.Directory["mistyped"],
            secret[..digit] + (secret[digit] == '0' ? '1' : '0') + secret[(digit + 1)..]);

        var said = await _shell.FailAsync(exitCode, ["sync", .. arguments.Split(' ')]);

        Assert.StartsWith(message, said, StringComparison.Ordinal);
        Assert.Equal("title\tfirst\n", (await _shell.DoAsync("page", "scan", "--data", "a")).Text);
    }

    [Fact]
    public async Task Devices_are_listed_and_watched_and_a_repository_goes_on_with_another_cloud_and_repairs()
    {
        await SetUpAsync("a");
        await JoinAsync("b");
        await _shell.DoAsync("page", "put", "of", "b", "--data", "b");
        await _shell.DoAsync("sync", "now", "--data", "b");

        var watched = await _shell.JsonAsync("sync", "watch", "--limit", "2", "--data", "a");
        await _shell.DoAsync("sync", "now", "--data", "a");
        var devices = await _shell.JsonAsync("sync", "devices", "--data", "a");
        var kept = await _shell.FailAsync(
            4, "sync", "reset", "--cloud", "dir:other", "--secret-file", "secret", "--data", "a");
        await _shell.DoAsync("sync", "reset", "--cloud", "dir:other", "--secret-file", "moved", "--data", "a");
        await _shell.DoAsync("sync", "repair", "--data", "a");
        await _shell.DoAsync("sync", "join", "--secret-file", "moved", "--data", "c");

        Assert.Equal(2, watched.Length);
        Assert.All(watched, status => Assert.Equal("default", status.GetProperty("app").GetString()));
        Assert.Equal(2, devices.Length);
        Assert.Single(devices, device => device.GetProperty("this").GetBoolean());
        Assert.StartsWith("The file 'secret' is there already", kept, StringComparison.Ordinal);
        Assert.Equal("of\tb\ntitle\tfirst\n", (await _shell.DoAsync("page", "scan", "--data", "c")).Text);
    }

    [Fact]
    public async Task A_wait_for_what_the_cloud_does_not_give_ends_at_its_timeout_with_5_and_at_Ctrl_C_with_130()
    {
        await SetUpAsync("a");
        await JoinAsync("b");
        var content = new byte[300_000];
        new Random(7).NextBytes(content);
        await File.WriteAllBytesAsync(_shell.Directory["photo"], content);
        await _shell.DoAsync("page", "put", "photo", "--file", "photo", "--data", "a");
        await _shell.DoAsync("sync", "now", "--data", "a");

        // A commit is not shown before its values are here.
        Directory.Move(_shell.Directory["cloud/blobs"], _shell.Directory["taken"]);
        var late = await _shell.RunAsync("sync", "now", "--data", "b", "--timeout", "3");
        using var child = Child.StartLedger(_shell.Directory.Path, "sync", "now", "--data", "b");
        await child.SignalAsync("INT");
        var result = await child.EndAsync();

        Assert.True(late.ExitCode == 5, $"{late.ExitCode}: {late.Error}");
        Assert.True(result.ExitCode == 130, $"{result.ExitCode}: {result.Error}");
        Assert.Equal("title\n", (await _shell.DoAsync("page", "keys", "--data", "b")).Text);
        Directory.Move(_shell.Directory["taken"], _shell.Directory["cloud/blobs"]);
        await _shell.DoAsync("sync", "now", "--data", "b");
        Assert.Equal(content, (await _shell.DoAsync("page", "get", "photo", "--data", "b")).Output);
    }

    [Fact]
    public async Task A_cloud_that_lost_what_it_had_stops_everything_with_4_and_local_data_is_kept()
    {
        await SetUpAsync("a");
        Directory.Delete(_shell.Directory["cloud/feeds"], recursive: true);
        await _shell.DoAsync("page", "put", "more", "1", "--data", "a");

        var result = await _shell.RunAsync("sync", "now", "--data", "a");
        var status = Assert.Single(await _shell.JsonAsync("sync", "status", "--data", "a"));

        Assert.True(result.ExitCode == 4, $"{result.ExitCode}: {result.Error}");
        Assert.Equal("rolled_back", status.GetProperty("block").GetString());
        Assert.Equal("blocked", status.GetProperty("phase").GetString());
        Assert.Equal("more\t1\ntitle\tfirst\n", (await _shell.DoAsync("page", "scan", "--data", "a")).Text);
    }

    private async Task<string> SetUpAsync(string device)
    {
        await _shell.DoAsync("page", "put", "title", "first", "--data", device);
        await _shell.DoAsync("sync", "init", "--cloud", "dir:cloud", "--secret-file", "secret", "--data", device);
        await _shell.DoAsync("sync", "now", "--data", device);
        return await File.ReadAllTextAsync(_shell.Directory["secret"]);
    }

    private Task<ChildResult> JoinAsync(string device) =>
        _shell.DoAsync("sync", "join", "--secret-file", "secret", "--data", device);

    private async Task<string[]> BothAsync(params string[] arguments) =>
    [
        (await _shell.DoAsync([.. arguments, "--data", "a"])).Text,
        (await _shell.DoAsync([.. arguments, "--data", "b"])).Text,
    ];
}
