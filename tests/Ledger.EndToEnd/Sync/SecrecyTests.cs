using System.Text;
using Ledger.EndToEnd.Processes;
using Xunit;

namespace Ledger.EndToEnd.Sync;

/// <summary>Nothing that a user wrote or named can be read in the cloud.</summary>
public sealed class SecrecyTests
{
    private const string Value = "canary-value-7d1f";
    private const string Key = "canary-key-52ab";
    private const string App = "canary-app-c09e";
    private const string Message = "canary-file-18d4.jsonl";
    private const string Page = "ca4a12ca4a12ca4a12ca4a12ca4a12ca";

    [Fact]
    public async Task Keys_values_pages_applications_and_messages_are_nowhere_in_the_cloud()
    {
        using var shell = new Shell();
        string[] device = ["--app", App, "--data", "a"];
        var large = string.Concat(Enumerable.Repeat(Value, 20_000));
        await File.WriteAllTextAsync(shell.Directory["large"], large);
        shell.Directory.Write(
            Message,
            Enumerable.Range(0, 50).Select(number => $$"""{"key":"{{Key}}-{{number}}","value":"{{Value}}"}"""));
        await shell.DoAsync(["page", "put", Key, Value, .. device]);
        await shell.DoAsync(["page", "put", Key + "-large", "--file", "large", .. device]);
        await shell.DoAsync(["page", "put", Key, Value, "--page", Page, .. device]);
        await shell.DoAsync(["page", "import", Message, .. device]);
        await shell.DoAsync(["page", "rm", Key + "-7", .. device]);
        await shell.DoAsync("sync", "init", "--cloud", "dir:cloud", "--secret-file", "secret", "--data", "a");
        await shell.DoAsync("sync", "now", "--data", "a");
        await shell.DoAsync(["sync", "join", "--secret-file", "secret", "--app", App, "--data", "b"]);

        var words = Words(await File.ReadAllTextAsync(shell.Directory["secret"])).ToList();
        var local = Directory.EnumerateFiles(shell.Directory["a"], "*", SearchOption.AllDirectories).ToList();
        var cloud = Directory.EnumerateFiles(shell.Directory["cloud"], "*", SearchOption.AllDirectories).ToList();

        // The device itself has the words as they are, so that the search is one that finds them.
        var found = await FindAsync(local, words);
        Assert.Contains("value as it is", found);
        Assert.Contains("key as it is", found);
        Assert.True(cloud.Count > 3, $"The cloud has {cloud.Count} files.");
        Assert.Empty(await FindAsync(cloud, words));
        Assert.Equal(
            (await shell.DoAsync(["page", "scan", .. device])).Text,
            (await shell.DoAsync("page", "scan", "--app", App, "--data", "b")).Text);
    }

    /// <summary>What must not be there, in the forms in which it might be.</summary>
    private static IEnumerable<(string Name, byte[] Bytes)> Words(string secretFile)
    {
        var secret = secretFile.Split('\n').First(line => line.StartsWith("secret: ", StringComparison.Ordinal))[8..];
        var texts = new[]
        {
            ("value", Value), ("key", Key), ("application", App), ("message", Message),
            ("page", Page), ("secret", secret),
        };
        foreach (var (name, text) in texts)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            yield return ($"{name} as it is", bytes);
            yield return ($"{name} in UTF-16", Encoding.Unicode.GetBytes(text));
            yield return ($"{name} in hexadecimal", Encoding.ASCII.GetBytes(Convert.ToHexStringLower(bytes)));
            yield return ($"{name} in base64", Encoding.ASCII.GetBytes(Convert.ToBase64String(bytes)[..^4]));
        }

        yield return ("page as bytes", Convert.FromHexString(Page));
        yield return ("secret as bytes", Convert.FromHexString(secret));
    }

    private static async Task<List<string>> FindAsync(List<string> files, List<(string Name, byte[] Bytes)> words)
    {
        var found = new List<string>();
        foreach (var file in files)
        {
            var content = await File.ReadAllBytesAsync(file);
            var path = Encoding.UTF8.GetBytes(file);
            found.AddRange(words
                .Where(word => content.AsSpan().IndexOf(word.Bytes) >= 0 || path.AsSpan().IndexOf(word.Bytes) >= 0)
                .Select(word => word.Name));
        }

        return found;
    }
}
