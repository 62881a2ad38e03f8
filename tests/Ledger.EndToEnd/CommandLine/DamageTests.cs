using System.Text.Json;
using Ledger.EndToEnd.Processes;
using Xunit;

namespace Ledger.EndToEnd.CommandLine;

public sealed class DamageTests : IDisposable
{
    // docs/formats/repository.md
    private const int VersionOffset = 8;

    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task A_repository_of_a_future_version_is_refused_and_left_alone()
    {
        await _shell.DoAsync("page", "put", "a", "1");
        var path = _shell.Directory[".ledger/REPOSITORY"];
        Flip(path, VersionOffset, 1 ^ 2);
        var before = await File.ReadAllBytesAsync(path);

        var put = await _shell.FailAsync(5, "page", "put", "a", "2");
        var get = await _shell.FailAsync(5, "page", "get", "a");
        var verify = await _shell.FailAsync(5, "verify");

        Assert.All(
            [put, get, verify], message => Assert.Contains("has format version 2", message, StringComparison.Ordinal));
        Assert.Equal(before, await File.ReadAllBytesAsync(path));
    }

    [Fact]
    public async Task A_damaged_repository_file_is_exit_code_1()
    {
        await _shell.DoAsync("page", "put", "a", "1");
        Flip(_shell.Directory[".ledger/REPOSITORY"], 50, 1);

        await _shell.FailAsync(1, "page", "get", "a");
    }

    [Fact]
    public async Task A_flipped_bit_is_found_and_said_and_what_is_sound_is_read()
    {
        var value = new byte[900_000];
        new Random(5).NextBytes(value);
        await File.WriteAllBytesAsync(_shell.Directory["in"], value);
        await _shell.DoAsync("page", "put", "sound", "1");
        await _shell.DoAsync("page", "put", "damaged", "--file", "in");
        await _shell.AssertSoundAsync();
        var segment = Directory.EnumerateFiles(_shell.Directory[".ledger"], "*", SearchOption.AllDirectories)
            .Single(path => IndexOf(path, value.AsSpan(400_000, 64)) >= 0);
        Flip(segment, IndexOf(segment, value.AsSpan(400_000, 64)), 1);

        var verify = await _shell.RunAsync("verify", "--json");
        var report = JsonDocument.Parse(verify.Lines[0]).RootElement;

        var sound = await _shell.RunAsync("page", "get", "sound");
        var damaged = await _shell.RunAsync("page", "get", "damaged", "--file", "out");
        var put = await _shell.RunAsync("page", "put", "more", "2");

        Assert.Equal(1, verify.ExitCode);
        Assert.NotEmpty(report.GetProperty("problems").EnumerateArray());
        Assert.Empty(report.GetProperty("notices").EnumerateArray());
        Assert.Equal((1, "1"), (sound.ExitCode, sound.Text));
        Assert.StartsWith("ledger: warning: The store in ", sound.Error, StringComparison.Ordinal);
        Assert.Equal(1, damaged.ExitCode);
        Assert.False(File.Exists(_shell.Directory["out"]));
        Assert.Equal(5, put.ExitCode);
    }

    private static int IndexOf(string path, ReadOnlySpan<byte> content) =>
        File.ReadAllBytes(path).AsSpan().IndexOf(content);

    private static void Flip(string path, int offset, byte bits)
    {
        var content = File.ReadAllBytes(path);
        content[offset] ^= bits;
        File.WriteAllBytes(path, content);
    }
}
