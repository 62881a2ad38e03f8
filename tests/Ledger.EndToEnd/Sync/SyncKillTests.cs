using System.Globalization;
using System.Text;
using Ledger.EndToEnd.Processes;
using Xunit;

namespace Ledger.EndToEnd.Sync;

/// <summary>
/// Devices in processes of their own write and synchronise through one directory, and are killed at any moment. Then
/// they end with equal roots, everything that was acknowledged is on each, and each repository is sound.
/// </summary>
public sealed class SyncKillTests
{
    private static int Kills => Environment.GetEnvironmentVariable("LEDGER_NIGHTLY") == "1" ? 50 : 4;

    [Theory]
    [InlineData(2, 101)]
    [InlineData(5, 102)]
    public async Task Killed_devices_end_with_equal_roots_and_nothing_acknowledged_is_lost(int devices, int seed)
    {
        using var shell = new Shell();
        var names = Enumerable.Range(0, devices).Select(index => new string((char)('a' + index), index + 1)).ToArray();
        await shell.DoAsync("page", "put", "begin", "1", "--data", names[0]);
        await shell.DoAsync("sync", "init", "--cloud", "dir:cloud", "--secret-file", "secret", "--data", names[0]);
        await shell.DoAsync("sync", "now", "--data", names[0]);
        foreach (var name in names.Skip(1))
        {
            await shell.DoAsync("sync", "join", "--secret-file", "secret", "--data", name);
        }

        var acknowledged = await Task.WhenAll(names.Select((name, index) => WriteAsync(shell, name, seed + index)));
        for (var round = 0; round < 2; round++)
        {
            foreach (var name in names)
            {
                await shell.DoAsync("sync", "now", "--timeout", "120", "--data", name);
            }
        }

        var states = new List<string>();
        foreach (var name in names)
        {
            states.Add(await StateAsync(shell, name));
            await shell.DoAsync("verify", "--data", name);
        }

        Assert.True(states.Distinct().Count() == 1, $"Seed {seed}: {string.Join('\n', states)}");
        for (var index = 0; index < devices; index++)
        {
            await AssertThereAsync(shell, names[0], names[index], acknowledged[index], seed);
        }
    }

    /// <summary>The root and the heads of each page.</summary>
    private static async Task<string> StateAsync(Shell shell, string device)
    {
        var state = new StringBuilder();
        for (var number = 0; number < 3; number++)
        {
            var heads = await shell.JsonAsync(
                "page", "heads", "--page", SyncChild.PageOf(number).ToString(), "--data", device);
            Assert.True(heads.Length == 1, $"Page {number} of {device} has {heads.Length} heads.");
            state.Append(heads[0].GetProperty("root").GetString()).Append(' ');
        }

        return state.ToString();
    }

    private static async Task AssertThereAsync(Shell shell, string device, string writer, int last, int seed)
    {
        var there = new HashSet<string>();
        for (var number = 0; number < 3; number++)
        {
            var keys = await shell.DoAsync(
                "page", "keys", "--prefix", $"{writer}/", "--page", SyncChild.PageOf(number).ToString(), "--data",
                device);
            there.UnionWith(keys.Lines);
        }

        var missing = Enumerable.Range(0, last + 1).Select(number => $"{writer}/{number}").Except(there).ToList();
        Assert.True(missing.Count == 0, $"Seed {seed}: {device} lacks {string.Join(", ", missing.Take(9))}.");
    }

    /// <summary>Starts a device and kills it, again and again.</summary>
    /// <returns>The last put that was acknowledged.</returns>
    private static async Task<int> WriteAsync(Shell shell, string name, int seed)
    {
        var random = new Random(seed);
        var last = -1;
        for (var kill = 0; kill < Kills; kill++)
        {
            using var child = Child.Start(
                "Ledger.EndToEnd.dll", shell.Directory.Path, "sync", shell.Directory[name], name, $"{last + 1}");
            var left = random.Next(1, 60);
            while (await child.ReadLineAsync() is { } line)
            {
                last = int.Parse(line, CultureInfo.InvariantCulture);
                if (--left == 0)
                {
                    child.Kill();
                }
            }

            var result = await child.EndAsync();
            Assert.True(
                result.ExitCode is 137, $"Kill {kill} of {name}, seed {seed}: {result.ExitCode} {result.Error}");
        }

        return last;
    }
}
