using System.Globalization;
using System.Text;

namespace Ledger.EndToEnd.Memory;

/// <summary>Streams a large value in and out, and says by how much its resident memory grew.</summary>
internal static class MemoryChild
{
    private const int WarmUpSizeBytes = 16 << 20;

    /// <summary>Runs to its end.</summary>
    /// <param name="arguments">Directory and size of the value.</param>
    public static async Task<int> RunAsync(string[] arguments)
    {
        var sizeBytes = long.Parse(arguments[1], CultureInfo.InvariantCulture);
        await using var repository = await Repository.OpenAsync(arguments[0]);
        var ledger = await repository.GetLedgerAsync("memory");
        await using var page = await ledger.GetPageAsync(Pages.PageId.Root);

        // What the first megabytes need stays: compiled code, buffers, the heap's first regions.
        await StreamAsync(page, "small", WarmUpSizeBytes);
        GC.Collect();
        ProcessMemory.ResetPeak();
        var before = ProcessMemory.ResidentBytes();
        await StreamAsync(page, "large", sizeBytes);
        Console.WriteLine(ProcessMemory.PeakBytes() - before);
        return 0;
    }

    private static async Task StreamAsync(Pages.IPage page, string name, long sizeBytes)
    {
        var key = Encoding.ASCII.GetBytes(name);
        await using (var content = new TestContent(sizeBytes))
        {
            var reference = await page.CreateReferenceAsync(content, sizeBytes);
            await page.PutReferenceAsync(key, reference);
        }

        await using var snapshot = await page.GetSnapshotAsync();
        await using var stored = await snapshot.OpenReadAsync(key)
            ?? throw new InvalidOperationException("The value is not there.");
        await using var expected = new TestContent(sizeBytes);
        var actualPart = new byte[1 << 16];
        var expectedPart = new byte[1 << 16];
        int read;
        while ((read = await stored.ReadAtLeastAsync(actualPart, actualPart.Length, throwOnEndOfStream: false)) > 0)
        {
            var wanted = expected.ReadAtLeast(expectedPart, read, throwOnEndOfStream: false);
            if (!actualPart.AsSpan(0, read).SequenceEqual(expectedPart.AsSpan(0, wanted)))
            {
                throw new InvalidOperationException($"The value differs before byte {expected.Position}.");
            }
        }

        if (expected.Position != sizeBytes)
        {
            throw new InvalidOperationException($"The value ends at byte {expected.Position}.");
        }
    }
}
