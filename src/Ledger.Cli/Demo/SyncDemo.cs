using System.Text;
using Ledger.Pages;
using Ledger.Pages.Merging;
using Ledger.Sync;

namespace Ledger.Cli.Demo;

/// <summary>The steps of the demo that are about two devices and a cloud.</summary>
/// <param name="steps">Runs them.</param>
/// <param name="directory">Where both devices and the cloud are made.</param>
internal sealed class SyncDemo(DemoSteps steps, string directory)
{
    private static readonly byte[] Title = "title"u8.ToArray();
    private static readonly byte[] Bread = "item/bread"u8.ToArray();
    private static readonly byte[] Milk = "item/milk"u8.ToArray();

    private string LaptopPath => Path.Combine(directory, "laptop");

    private string PhonePath => Path.Combine(directory, "phone");

    private string CloudPath => Path.Combine(directory, "cloud");

    /// <summary>Runs every step.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await steps.RunAsync("a laptop, a phone, and a cloud", MeetAsync, cancellationToken);
        await using var laptop = await Device.OpenAsync(LaptopPath, cancellationToken);
        await using var phone = await Device.OpenAsync(PhonePath, cancellationToken);
        await steps.RunAsync(
            "edit on both while they are apart", token => EditAsync(laptop, phone, token), cancellationToken);
        await steps.RunAsync("meet again", token => ConvergeAsync(laptop, phone, token), cancellationToken);
        await steps.RunAsync(
            "ask both who won, and why", token => ExplainAsync(laptop, phone, token), cancellationToken);
        await steps.RunAsync("look for the words in the cloud", LookAsync, cancellationToken);
        await steps.RunAsync("verify both devices", token => VerifyAsync(laptop, phone, token), cancellationToken);
    }

    private async Task<string> MeetAsync(CancellationToken cancellationToken)
    {
        SyncSecret secret;
        await using (var first = await Repository.OpenAsync(LaptopPath, cancellationToken: cancellationToken))
        {
            secret = await first.InitSyncAsync("dir:" + CloudPath, cancellationToken);
            var ledger = await first.GetLedgerAsync("notes", cancellationToken);
            await using var page = await ledger.GetPageAsync(PageId.Root, cancellationToken);
            await page.PutAsync(Title, "Shopping"u8.ToArray(), cancellationToken: cancellationToken);
            await SyncAsync(first, cancellationToken);
        }

        await using var second = await Repository.JoinAsync(
            PhonePath, secret, cancellationToken: cancellationToken);
        await second.GetLedgerAsync("notes", cancellationToken);
        var status = await SyncAsync(second, cancellationToken);
        return $"the phone joined and has taken in {status.BytesReceived} bytes";
    }

    private static async Task<string> EditAsync(Device laptop, Device phone, CancellationToken cancellationToken)
    {
        await laptop.Page.PutAsync(Title, "Shopping on Friday"u8.ToArray(), cancellationToken: cancellationToken);
        await laptop.Page.PutAsync(Bread, "two"u8.ToArray(), cancellationToken: cancellationToken);
        await phone.Page.PutAsync(Title, "Shopping for Ann"u8.ToArray(), cancellationToken: cancellationToken);
        await phone.Page.PutAsync(Milk, "one"u8.ToArray(), cancellationToken: cancellationToken);
        return $"both changed 'title': '{await laptop.GetAsync(Title, cancellationToken)}' and " +
            $"'{await phone.GetAsync(Title, cancellationToken)}'; each added an item";
    }

    private static async Task<string> ConvergeAsync(Device laptop, Device phone, CancellationToken cancellationToken)
    {
        // The second of them merges, and the first takes the merge in.
        await SyncAsync(laptop.Repository, cancellationToken);
        await SyncAsync(phone.Repository, cancellationToken);
        await SyncAsync(laptop.Repository, cancellationToken);
        var (left, right) = (await laptop.RootAsync(cancellationToken), await phone.RootAsync(cancellationToken));
        DemoSteps.Check(left == right, "both devices have the same root");
        foreach (var key in new[] { Bread, Milk })
        {
            DemoSteps.Check(
                await laptop.GetAsync(key, cancellationToken) == await phone.GetAsync(key, cancellationToken)
                && (await phone.GetAsync(key, cancellationToken)).Length > 0,
                "what only one of them added is on both");
        }

        return $"both have root {left[..12]}, and title '{await laptop.GetAsync(Title, cancellationToken)}'";
    }

    private static async Task<string> ExplainAsync(Device laptop, Device phone, CancellationToken cancellationToken)
    {
        var said = new List<string>();
        foreach (var device in new[] { laptop, phone })
        {
            var merge = await device.Page.ExplainAsync(Title, cancellationToken).FirstAsync(cancellationToken);
            var (won, lost) = merge.Decision == MergeDecision.Left
                ? (merge.Left, merge.Right) : (merge.Right, merge.Left);
            said.Add($"'{TextOf(won.Entry)}' of {CommitNames.Format(won.Writer?.Time)} was written after " +
                $"'{TextOf(lost.Entry)}' of {CommitNames.Format(lost.Writer?.Time)}");
        }

        DemoSteps.Check(said[0] == said[1], "both devices say the same");
        return said[0];
    }

    private async Task<string> LookAsync(CancellationToken cancellationToken)
    {
        byte[][] words = [Title, Bread, Milk, "Shopping"u8.ToArray(), "notes"u8.ToArray()];
        var (count, sizeBytes) = (0, 0L);
        foreach (var path in Directory.EnumerateFiles(CloudPath, "*", SearchOption.AllDirectories))
        {
            var content = await File.ReadAllBytesAsync(path, cancellationToken);
            (count, sizeBytes) = (count + 1, sizeBytes + content.Length);
            DemoSteps.Check(
                words.All(word => content.AsSpan().IndexOf(word) < 0), "the cloud has sealed bytes only");
        }

        DemoSteps.Check(count > 0 && sizeBytes > 0, "the cloud has something");
        return $"no key, value or name is in its {count} files of {sizeBytes} bytes";
    }

    private static async Task<string> VerifyAsync(Device laptop, Device phone, CancellationToken cancellationToken)
    {
        var commits = 0L;
        foreach (var device in new[] { laptop, phone })
        {
            var report = await device.Repository.VerifyAsync(null, cancellationToken);
            DemoSteps.Check(report.Problems.Count == 0, "verify finds no problem on either device");
            commits += report.Commits;
        }

        return $"{commits} commits on both, no problems";
    }

    private static async Task<SyncStatus> SyncAsync(Repository repository, CancellationToken cancellationToken)
    {
        await using var sync = await repository.StartSyncAsync(cancellationToken);
        await sync.SyncNowAsync(cancellationToken);
        return await sync.GetStatusAsync("notes", cancellationToken);
    }

    private static string TextOf(Entry? entry) => Encoding.UTF8.GetString((entry?.Value ?? default).Span);

    /// <summary>A repository with its page open.</summary>
    private sealed record Device(Repository Repository, IPage Page) : IAsyncDisposable
    {
        public static async Task<Device> OpenAsync(string path, CancellationToken cancellationToken)
        {
            var repository = await Repository.OpenAsync(path, cancellationToken: cancellationToken);
            var ledger = await repository.GetLedgerAsync("notes", cancellationToken);
            return new Device(repository, await ledger.GetPageAsync(PageId.Root, cancellationToken));
        }

        public async Task<string> GetAsync(byte[] key, CancellationToken cancellationToken) =>
            Encoding.UTF8.GetString((await Page.GetAsync(key, cancellationToken) ?? default).Span);

        public async Task<string> RootAsync(CancellationToken cancellationToken)
        {
            await using var snapshot = await Page.GetSnapshotAsync(cancellationToken: cancellationToken);
            return snapshot.Commit.Root.ToString();
        }

        public async ValueTask DisposeAsync()
        {
            await Page.DisposeAsync();
            await Repository.DisposeAsync();
        }
    }
}
