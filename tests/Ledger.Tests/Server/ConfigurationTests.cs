using System.Runtime.Versioning;
using System.Text.RegularExpressions;
using Ledger.Server.Configuration;
using Ledger.Tests.Tidy;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Ledger.Tests.Server;

public sealed partial class ConfigurationTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("ledger-config-").FullName;
    private readonly Dictionary<string, string> _environment = [];

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void The_originals_default_configuration_is_read_with_its_meaning()
    {
        var text = File.ReadAllText(TestData.PathOf("daemon/original.yaml"));

        var options = Load(text).Options;

        Assert.Equal(("localhost:50051", null), (options.Listen.ToString(), options.HttpListen));
        Assert.Equal((null, false, LogLevel.Information), (options.LogFile, options.IsLogJson, options.LogLevel));
        Assert.Equal(("", null, null), (options.ApiKey, options.AllowedStores, options.Tls));
        Assert.Equal(new DatabaseOptions("sqlite", Path.Combine(_directory, "ledger.db")), options.Database);
        Assert.Equal(TimeSpan.FromSeconds(5), options.StartTimeout);
        Assert.Empty(options.Hooks);
    }

    [Fact]
    public void The_originals_default_configuration_with_everything_uncommented_is_understood_too()
    {
        var lines = File.ReadAllLines(TestData.PathOf("daemon/original.yaml"))
            .Where(line => line.Length > 0 && !Remark().IsMatch(line) && line != "hooks: []")
            .Select(line => line == "# - name: orders" ? "hooks:\n- name: orders" : Commented().Replace(line, "$1"))
            .Select(line => line.StartsWith("  mongodb", StringComparison.Ordinal) ? line : line);

        var options = Load(string.Join('\n', lines)).Options;

        Assert.Equal("/etc/ledger/clients.pem", options.Tls!.ClientAuthorityFile);
        var hook = Assert.Single(options.Hooks);
        Assert.Equal(
            ("orders", "orders", null, "change-me", 5, TimeSpan.FromSeconds(5), null, false),
            (hook.Name, hook.Store, hook.Stream, hook.Secret, hook.MaxRetries, hook.Interval, hook.CaFile,
                hook.InsecureSkipVerify));
    }

    [Fact]
    public void The_file_of_a_first_start_is_read_as_the_defaults_and_so_is_everything_that_it_comments_out()
    {
        var template = ConfigurationTemplate.Write("lk_random");
        var uncommented = string.Join(
            '\n', template.Split('\n').Where(line => !line.StartsWith("# hooks:", StringComparison.Ordinal))
                .Select(line => Setting().Replace(line, "$1$2")).Where(line => !line.Contains("start_timeout: ")));

        var first = Load(template);
        var second = Load(uncommented);

        Assert.Equal("lk_random", first.Options.ApiKey);
        Assert.Empty(first.Warnings);
        Assert.Equal("localhost:50052", first.Options.HttpListen!.ToString());
        Assert.Equal(first.Options.Limits, second.Options.Limits);
        Assert.Equal(new LimitOptions(), first.Options.Limits);
        Assert.Equal(first.Options.Database, second.Options.Database);
        Assert.All(template.Split('\n'), line => Assert.True(line.Length <= 110, line));
    }

    [Fact]
    public void Values_are_read_by_the_type_that_their_key_takes()
    {
        var options = Load(
            """
            api_key: 0123
            allowed_stores: [orders, 42, yes]
            start_timeout: 1m30.5s
            insecure: True
            log_level: debug
            limits: { message_bytes: 4096, calls_per_second: 7 }
            telemetry: { traces: 0.25, endpoint: "http://localhost:4317", headers: [ "a=b=c" ] }
            """).Options;

        Assert.Equal("0123", options.ApiKey);
        Assert.Equal(["42", "orders", "yes"], options.AllowedStores!.Order(StringComparer.Ordinal));
        Assert.Contains("ORDERS", options.AllowedStores!);
        Assert.Equal(TimeSpan.FromSeconds(90.5), options.StartTimeout);
        Assert.True(options.Insecure);
        Assert.Equal((4096, 7), (options.Limits.MessageBytes, options.Limits.CallsPerSecond));
        Assert.Equal(0.25, options.Telemetry.Traces);
        Assert.Equal("b=c", options.Telemetry.Headers["A"]);
    }

    [Fact]
    public void The_environment_goes_before_the_file_and_what_it_has_besides_is_a_warning()
    {
        _environment["LEDGER_DB__TYPE"] = "postgres";
        _environment["LEDGER_DB__POSTGRES__DSN"] = "Host=there";
        _environment["LEDGER_API_KEY"] = "from outside";
        _environment["LEDGER_ALLOWED_STORES"] = "a, b";
        _environment["LEDGER_DATA"] = "elsewhere";
        _environment["LEDGER_DB__POSTGRES__DNS"] = "secret typo";
        _environment["PATH"] = "/bin";

        var loaded = Load("api_key: from the file\ndb: { type: sqlite }");

        Assert.Equal("from outside", loaded.Options.ApiKey);
        Assert.Equal(new DatabaseOptions("postgres", "Host=there"), loaded.Options.Database);
        Assert.Equal(2, loaded.Options.AllowedStores!.Count);
        Assert.Equal(
            "The environment has LEDGER_DB__POSTGRES__DNS, which is no key of the configuration; it has no effect.",
            Assert.Single(loaded.Warnings));
    }

    [Theory]
    [InlineData("listen: x\nlistn: y", "config.yaml line 2: 'listn' is not a key of the configuration.")]
    [InlineData("db:\n  sqlite:\n    pth: x", "config.yaml line 3: 'db.sqlite.pth' is not a key of the configuration.")]
    [InlineData("hooks:\n- urll: x", "config.yaml line 2: 'hooks[0].urll' is not a key of the configuration.")]
    [InlineData("listen: 50051", "'listen' (config.yaml line 1) is host:port or unix:PATH, not '50051'.")]
    [InlineData("listen: a:99999", "'listen' (config.yaml line 1) is host:port or unix:PATH, not 'a:99999'.")]
    [InlineData("start_timeout: 5", "'start_timeout' (config.yaml line 1) is a length of time such as '5s'")]
    [InlineData("insecure: maybe", "'insecure' (config.yaml line 1) is 'true' or 'false', not 'maybe'.")]
    [InlineData("limits:\n  stores: 0", "'limits.stores' (config.yaml line 2) is a whole number from 1 to 1000000")]
    [InlineData("db: { type: mysql }", "'db.type' (config.yaml line 1) is one of sqlite, postgres, mongodb")]
    [InlineData("db: { type: postgres }", "'db.postgres.dsn' is missing: 'db.type' is postgres.")]
    [InlineData("db: { type: mongodb }", "'db.type' (config.yaml line 1) is 'mongodb', which this version does not")]
    [InlineData("db: sqlite", "config.yaml line 1: 'db' is a section, with keys below it.")]
    [InlineData("listen: [a]", "config.yaml line 1: 'listen' is one value.")]
    [InlineData("allowed_stores: a", "config.yaml line 1: 'allowed_stores' is a list.")]
    [InlineData("tls: { cert: a.pem }", "'tls.cert' (config.yaml line 1) needs the other one")]
    [InlineData("tls: { ca: a.pem }", "'tls.ca' (config.yaml line 1) needs 'tls.cert' and 'tls.key'")]
    [InlineData("bridges:\n- name: x", "config.yaml line 2: 'bridges' comes with a later version of Ledger; leave it")]
    [InlineData("hooks:\n- name: x", "'hooks[0].url' is missing, or not http(s)://host/path.")]
    [InlineData("listen: a:1\nhttp_listen: a:1", "'http_listen' (config.yaml line 2) is the same as 'listen', a:1:")]
    [InlineData("a: 1\na: 2", "config.yaml line 2, column 1: a key stands there twice.")]
    [InlineData("a: 'x", "config.yaml line 1, column ")]
    [InlineData("- a", "config.yaml is not a mapping of keys to values.")]
    public void What_cannot_be_meant_is_named_with_its_line_and_key(string text, string sentence)
    {
        var error = Assert.Throws<ConfigurationException>(() => Load(text));

        Assert.Contains(error.Problems, problem => problem.StartsWith(sentence, StringComparison.Ordinal));
    }

    [Fact]
    public void A_hook_whose_authority_has_another_certificate_is_another_hook()
    {
        const string Text = "hooks:\n- { name: h, store: s, url: 'https://there/?t=canary', ca: ca.pem }";
        var ca = Path.Combine(_directory, "ca.pem");
        File.WriteAllText(ca, "one");
        var before = Load(Text);
        var same = Load(Text);
        File.WriteAllText(ca, "two");
        var after = Load(Text);
        var clear = Assert.Throws<ConfigurationException>(
            () => Load(Text.Replace("https", "http", StringComparison.Ordinal).Replace(
                "ca.pem", "ca.pem, allow_private: true", StringComparison.Ordinal)));

        Assert.Empty(same.ChangesFrom(before));
        Assert.Equal(["hooks"], after.ChangesFrom(before));
        Assert.DoesNotContain("canary", clear.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_problem_is_named_at_once_and_none_shows_a_secret()
    {
        var error = Assert.Throws<ConfigurationException>(() => Load(
            """
            listen: nowhere
            api_key: [canary]
            db: { type: postgres, postgres: { dsn: { canary: canary } } }
            hooks: [ { name: a, url: "http://u:canary@h/", secret: canary } ]
            limits: { stores: none }
            """));

        Assert.InRange(error.Problems.Count, 5, 8);
        Assert.DoesNotContain("canary", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_reload_takes_what_may_change_and_rejects_the_whole_for_anything_else()
    {
        var before = Load("api_key: a\nlimits: { stores: 5 }\nhooks: []");

        Write("api_key: b\nlog_level: debug\nlimits: { stores: 6 }\nlisten: localhost:50051");
        var taken = before.Reload(_environment);
        Write("api_key: b\nlisten: localhost:1\nlimits: { connections: 7 }");
        var refused = Assert.Throws<ConfigurationException>(() => before.Reload(_environment));
        Write("api_key: b\ntls: { cert: a, key: b }");
        var tls = Assert.Throws<ConfigurationException>(() => before.Reload(_environment));

        Assert.Equal(("b", 6), (taken.Options.ApiKey, taken.Options.Limits.Stores));
        Assert.Equal(
            [
                "'listen' (config.yaml line 2) was changed, which takes a restart: nothing was changed.",
                "'limits.connections' (config.yaml line 3) was changed, which takes a restart: nothing was changed.",
            ],
            refused.Problems);
        Assert.Equal(
            ["'tls.cert' was given or left out, which takes a restart: nothing was changed."], tls.Problems);
    }

    [Theory]
    [InlineData("localhost:50051", true)]
    [InlineData("127.0.0.9:1", true)]
    [InlineData("[::1]:1", true)]
    [InlineData("unix:/run/x.sock", true)]
    [InlineData(":50051", false)]
    [InlineData("0.0.0.0:1", false)]
    [InlineData("[::]:1", false)]
    [InlineData("ledger.example:1", false)]
    public void An_address_is_this_machines_alone_or_not(string text, bool isLocal)
    {
        var address = ListenAddress.Parse(text)!;

        Assert.Equal((isLocal, text), (address.IsLocal, address.ToString()));
    }

    [Fact]
    [UnsupportedOSPlatform("windows")]
    public void A_configuration_with_secrets_that_others_can_read_is_a_warning()
    {
        Write("api_key: a");
        File.SetUnixFileMode(
            Path.Combine(_directory, "config.yaml"),
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);

        var loaded = LoadedConfiguration.Load(Path.Combine(_directory, "config.yaml"), _environment);

        Assert.EndsWith("chmod 600 it.", Assert.Single(loaded.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void The_documentation_has_every_key_with_its_default_and_whether_a_reload_takes_it()
    {
        var text = File.ReadAllText(Path.Combine(SourceFile.RepositoryRoot, "docs", "daemon.md"));

        Assert.All(ConfigurationTable.All, key =>
        {
            var line = text.Split('\n').SingleOrDefault(
                line => line.StartsWith($"| `{key.Path}` | ", StringComparison.Ordinal));
            var isReloadable = key.IsReloadable || key.Path.StartsWith("hooks[]", StringComparison.Ordinal);
            Assert.True(line is not null, key.Path);
            Assert.Contains(key.Default, line, StringComparison.Ordinal);
            Assert.Equal((isReloadable, key.Path), (line.Split(" | ")[2].Trim() == "yes", key.Path));
            Assert.EndsWith($"| {key.Meaning} |", line, StringComparison.Ordinal);
        });
    }

    private LoadedConfiguration Load(string text)
    {
        Write(text);
        return LoadedConfiguration.Load(Path.Combine(_directory, "config.yaml"), _environment);
    }

    private void Write(string text) => SecretFile.Write(Path.Combine(_directory, "config.yaml"), text);

    // A comment that is a sentence, not a setting.
    [GeneratedRegex(@"^\s*# (?!\s*(- )?[a-z_]+:)")]
    private static partial Regex Remark();

    [GeneratedRegex(@"^(\s*)# ")]
    private static partial Regex Commented();

    [GeneratedRegex(@"^( *)# ([a-z_]+:( .*)?)$")]
    private static partial Regex Setting();
}
