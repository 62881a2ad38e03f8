using System.Diagnostics;
using Ledger.Server.Configuration;
using Ledger.Server.Identities;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Ledger.Tests.Server;

public sealed class KeyFileTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("ledger-keys-").FullName;

    private string KeysPath => Path.Combine(_directory, "keys.yaml");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void Keys_come_back_as_they_were_saved_and_the_file_has_none_of_them()
    {
        var key = ApiKey.Create();
        var record = Record("a \"b\" \\ c\n", key) with
        {
            User = "anna: x",
            Applications = ["one", "# two"],
            Stores = ["orders"],
            Rights = Rights.Read | Rights.Append,
        };

        KeyFile.Save(KeysPath, [record, Record("other", "x")]);
        var loaded = KeyFile.Load(KeysPath);

        Assert.Equal(KeyFile.ToText([record, Record("other", "x")]), KeyFile.ToText(loaded));
        Assert.Equal("anna: x", loaded[0].User);
        Assert.Equal(["one", "# two"], loaded[0].Applications);
        Assert.DoesNotContain(key, File.ReadAllText(KeysPath), StringComparison.Ordinal);
        Assert.False(SecretFile.IsReadableByOthers(KeysPath));
        Assert.Empty(KeyFile.Load(Path.Combine(_directory, "none.yaml")));
    }

    [Theory]
    [InlineData("keys:\n- name: a\n  hash: canary", "'keys[0].hash' (keys.yaml line 3) is 'sha256:")]
    [InlineData("keys:\n- hash: x", "'keys[0].name' is missing.")]
    [InlineData("keys:\n- name: a\n  rigths: [read]", "keys.yaml line 3: 'keys[0].rigths' is not a key")]
    [InlineData("keys:\n- name: a\n  rights: [write]", "'keys[0].rights' (keys.yaml line 3) has 'write', which is")]
    [InlineData("keys:\n- name: a\n  created: soon", "'keys[0].created' (keys.yaml line 3) is a time such as")]
    public void A_file_that_cannot_be_meant_says_where_and_shows_no_hash(string text, string sentence)
    {
        File.WriteAllText(KeysPath, text);

        var error = Assert.Throws<ConfigurationException>(() => KeyFile.Load(KeysPath));

        Assert.Contains(error.Problems, problem => problem.StartsWith(sentence, StringComparison.Ordinal));
        Assert.DoesNotContain("canary", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Whoever_has_a_key_gets_its_rights_in_its_stores_and_nobody_else_gets_in()
    {
        var shop = Record("shop", "shop-key") with { Stores = ["Orders", "secret"], Rights = Rights.Read };
        var authenticator = Authenticator.Create(
            Options("api_key: shared\nallowed_stores: [orders, other]"), [shop, Record("all", "all-key")]);

        var found = authenticator.Find("shop-key")!;
        var all = authenticator.Find("all-key")!;

        Assert.True(found.May(Rights.Read, "ORDERS"));
        Assert.False(found.May(Rights.Append, "orders"));
        Assert.False(found.May(Rights.Read, "secret"));
        Assert.False(found.May(Rights.Read, "other"));
        Assert.True(all.May(Rights.All, "other"));
        Assert.False(all.May(Rights.Read, "secret"));
        Assert.Equal("api_key", authenticator.Find("shared")!.Name);
        Assert.All(["", "shop-ke", "shop-key ", "SHOP-KEY", "x"], key => Assert.Null(authenticator.Find(key)));
        Assert.Equal((false, false), (authenticator.IsOpen, authenticator.IsShut));
    }

    [Theory]
    [InlineData("x-api-key", "shared", true)]
    [InlineData("authorization", "Bearer shared", true)]
    [InlineData("authorization", "bearer  shared", true)]
    [InlineData("authorization", "Basic shared", false)]
    [InlineData("x-api-key", "", false)]
    [InlineData("x-other", "shared", false)]
    public void The_key_is_in_one_of_two_headers(string header, string value, bool isKnown)
    {
        var request = new DefaultHttpContext().Request;
        request.Headers[header] = value;

        var identity = Authenticator.Create(Options("api_key: shared"), []).Find(request);

        Assert.Equal(isKnown, identity is not null);
    }

    [Fact]
    public void Only_an_empty_shared_key_without_other_keys_opens_the_daemon()
    {
        var request = new DefaultHttpContext().Request;

        var open = Authenticator.Create(Options("api_key: \"\"\nallowed_stores: [a]"), []);
        var missing = Authenticator.Create(Options(""), []);
        var keyed = Authenticator.Create(Options("api_key: \"\""), [Record("a", "b")]);

        Assert.Equal((true, true, false), (open.IsOpen, open.Find(request)!.May(Rights.All, "a"), open.IsShut));
        Assert.False(open.Find(request)!.May(Rights.Read, "b"));
        Assert.Equal((false, null, true), (missing.IsOpen, missing.Find(request), missing.IsShut));
        Assert.Equal((false, null, false), (keyed.IsOpen, keyed.Find(request), keyed.IsShut));
    }

    [Fact]
    public void How_long_a_wrong_key_takes_says_nothing_of_how_much_of_it_is_right()
    {
        // Nightly only: a million samples of each kind, compared by Welch's t.
        if (Environment.GetEnvironmentVariable("LEDGER_NIGHTLY") != "1")
        {
            return;
        }

        var key = ApiKey.Create();
        var authenticator = Authenticator.Create(Options("api_key: " + key), []);
        string[] wrong = [key[..^1] + "!", "!" + key[1..]];
        double[] sum = [0, 0], squares = [0, 0];
        const int Samples = 1_000_000;
        for (var sample = 0; sample < 2 * Samples; sample++)
        {
            var begin = Stopwatch.GetTimestamp();
            authenticator.Find(wrong[sample & 1]);
            var taken = Math.Min(Stopwatch.GetTimestamp() - begin, 10_000);
            sum[sample & 1] += taken;
            squares[sample & 1] += (double)taken * taken;
        }

        var means = sum.Select(value => value / Samples).ToArray();
        var variances = squares.Select((value, kind) => (value / Samples) - (means[kind] * means[kind])).ToArray();
        var t = (means[0] - means[1]) / Math.Sqrt((variances[0] + variances[1]) / Samples);
        Assert.InRange(t, -4.5, 4.5);
    }

    private static KeyRecord Record(string name, string key) =>
        new(name, ApiKey.DigestOf(key), new DateTimeOffset(2026, 1, 31, 12, 0, 0, TimeSpan.Zero), Rights.All);

    private DaemonOptions Options(string text)
    {
        SecretFile.Write(Path.Combine(_directory, "config.yaml"), text);
        return LoadedConfiguration
            .Load(Path.Combine(_directory, "config.yaml"), new Dictionary<string, string>()).Options;
    }
}
