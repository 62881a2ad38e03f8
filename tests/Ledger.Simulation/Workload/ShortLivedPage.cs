using System.Buffers.Binary;
using System.Globalization;
using Ledger.Pages;
using Ledger.Simulation.Worlds;

namespace Ledger.Simulation.Workload;

/// <summary>A page that all devices write, delete, and make again: nothing of an earlier life may come back.</summary>
/// <remarks>
/// It is none of the pages of the model. Every value has the life of the page in which it was put, so that one look
/// tells whether it belongs there.
/// </remarks>
/// <param name="session">Whose device it is.</param>
internal sealed class ShortLivedPage(Session session)
{
    private static readonly PageId Id = new([.. Enumerable.Repeat((byte)0xEE, PageId.SizeBytes)]);

    private string Where => string.Create(
        CultureInfo.InvariantCulture, $"device {session.Device.Number}, the page that is deleted");

    /// <summary>Works until the program ends, or there have been enough operations.</summary>
    public async Task RunAsync()
    {
        while (!session.IsEnding && session.Run.Done < session.Run.Options.Operations)
        {
            await session.Runtime.Delay(
                TimeSpan.FromMilliseconds(session.Random.Next(1, 1500)), CancellationToken.None);
            try
            {
                await StepAsync();
            }
            catch (PageDeletedException)
            {
                session.Run.World.Trace(45, 0);
            }
        }
    }

    /// <summary>Looks at it when everything is at rest.</summary>
    /// <returns>What it has.</returns>
    public async Task<string> ShowAsync()
    {
        var (page, life) = await OpenAsync();
        await using (page)
        {
            var shown = await ScanAsync(page, life);
            session.Run.Say($"{Where}: life {life} has '{shown}'");
            return shown;
        }
    }

    private async Task StepAsync()
    {
        var random = session.Random;
        if (random.Next(8) == 0)
        {
            var isDeleted = await session.Ledger.DeletePageAsync(Id);
            session.Run.Say($"{Where}: deleted {isDeleted}");
            return;
        }

        var (page, life) = await OpenAsync();
        await using (page)
        {
            for (var count = random.Next(1, 4); count > 0; count--)
            {
                var value = new byte[12];
                BinaryPrimitives.WriteUInt32LittleEndian(value, life);
                BinaryPrimitives.WriteInt64LittleEndian(value.AsSpan(4), session.Run.Model.Tick());
                await page.PutAsync(new[] { (byte)random.Next(4) }, value);
            }

            await ScanAsync(page, life);
        }
    }

    /// <summary>Opens it, and tells which of its lives that is.</summary>
    private async Task<(IPage Page, uint Life)> OpenAsync()
    {
        while (true)
        {
            var before = await ReadLifeAsync();
            var page = await session.Ledger.GetPageAsync(Id);
            if (await ReadLifeAsync() == before)
            {
                return (page, before);
            }

            await page.DisposeAsync();
        }
    }

    private async Task<uint> ReadLifeAsync() =>
        (await PageLoader.ReadPageRowAsync(session.Services.Store, Id, CancellationToken.None))?.Incarnation ?? 1;

    private async Task<string> ScanAsync(IPage page, uint life)
    {
        await using var snapshot = await page.GetSnapshotAsync();
        var entries = new List<string>();
        await foreach (var entry in snapshot.GetEntriesAsync())
        {
            var value = entry.Value ?? throw new ViolationException("R17", $"{Where}: a value is not here.");
            var made = BinaryPrimitives.ReadUInt32LittleEndian(value.Span);
            if (made != life)
            {
                throw new ViolationException("R15", $"{Where}: life {life} shows a value of life {made}.");
            }

            entries.Add(Convert.ToHexString(entry.Key.Span) + Convert.ToHexString(value.Span));
        }

        return string.Join(' ', entries);
    }
}
