using System.Globalization;
using System.Text;
using Ledger.EndToEnd.Processes;
using Xunit;

namespace Ledger.EndToEnd.Memory;

public sealed class MemoryTests
{
    private const long Mebibyte = 1 << 20;

    [Fact]
    public async Task A_gibibyte_streams_in_and_out_within_64_MiB()
    {
        using var directory = new TestDirectory();
        using var child = Child.Start(
            "Ledger.EndToEnd.dll", directory.Path,
            ["memory", directory["store"], (1024 * Mebibyte).ToString(CultureInfo.InvariantCulture)]);
        child.CloseInput();

        var result = await child.EndAsync();

        Assert.True(result.ExitCode == 0, result.Error);
        Assert.InRange(long.Parse(result.Text, CultureInfo.InvariantCulture), 0, 64 * Mebibyte);
    }

    [Fact]
    public async Task A_million_small_entries_are_imported_within_400_MiB()
    {
        const int Rows = 1_000_000;
        using var directory = new TestDirectory();
        using var child = Child.StartLedger(directory.Path, "page", "import", "-", "--acks", "--batch", "5000");

        var feeding = FeedAsync(child, Rows);
        while (await child.ReadLineAsync() is { } line && line != $"{Rows} lines")
        {
            // Acknowledged so far.
        }

        await feeding;
        child.CloseInput();
        var peakBytes = PeakUntilExit(child);
        var result = await child.EndAsync();

        Assert.True(result.ExitCode == 0, result.Error);
        Assert.InRange(peakBytes, Mebibyte, 400 * Mebibyte);
    }

    private static async Task FeedAsync(Child child, int rows)
    {
        var text = new StringBuilder();
        var random = new Random(1);
        for (var row = 0; row < rows; row++)
        {
            text.Append(CultureInfo.InvariantCulture, $"{{\"key\":\"{random.NextInt64():x16}\",");
            text.Append(CultureInfo.InvariantCulture, $"\"value\":\"a small value, number {row}\"}}\n");
            if (text.Length > 1 << 16 || row == rows - 1)
            {
                await child.WriteAsync(Encoding.ASCII.GetBytes(text.ToString()));
                text.Clear();
            }
        }
    }

    /// <summary>The peak so far, read until the process ends: its closing counts too.</summary>
    private static long PeakUntilExit(Child child)
    {
        var peakBytes = 0L;
        while (child.PeakBytes() is { } bytes)
        {
            peakBytes = Math.Max(peakBytes, bytes);
        }

        return peakBytes;
    }
}
