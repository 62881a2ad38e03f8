using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Ledger.Cli.Import;
using Ledger.Cli.Terminal;
using Ledger.Commits;
using Ledger.Pages;
using Ledger.Pages.Merging;

namespace Ledger.Cli.Demo;

/// <summary>The steps of <c>ledger demo</c>: each checks what it shows, and prints its result and time.</summary>
/// <param name="output">Where the steps are printed.</param>
/// <param name="directory">An empty directory; deleted by the caller.</param>
internal sealed class DemoRun(Output output, string directory)
{
    private const int LargeSizeBytes = 8 << 20;

    private static readonly byte[] Crab = "U+1F980"u8.ToArray();
    private static readonly byte[] Lobster = "U+1F99E"u8.ToArray();
    private static readonly byte[] FirstPhoto = "photo/1"u8.ToArray();
    private static readonly byte[] SecondPhoto = "photo/2"u8.ToArray();

    private readonly DemoSteps _steps = new(output);
    private readonly string _pages = Path.Combine(directory, "pages");
    private Session? _session;
    private IPage? _page;
    private CommitId _imported;
    private ReadOnlyMemory<byte> _crabBefore;

    private Session Session => _session ?? throw new InvalidOperationException("The repository is not open.");

    private IPage Page => _page ?? throw new InvalidOperationException("The page is not open.");

    /// <summary>Runs every step.</summary>
    /// <exception cref="CliException">A step did not show what it should.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var elapsed = Stopwatch.StartNew();
        try
        {
            await _steps.RunAsync("open an empty repository", OpenAsync, cancellationToken);
            await _steps.RunAsync("import the Unicode character table", ImportAsync, cancellationToken);
            await _steps.RunAsync("read a key, a prefix and a count", ReadAsync, cancellationToken);
            await _steps.RunAsync("change two keys, watched", TransactAsync, cancellationToken);
            await _steps.RunAsync("stream 8 MiB in, twice", StoreLargeAsync, cancellationToken);
            await _steps.RunAsync("stream it out", ReadLargeAsync, cancellationToken);
            await _steps.RunAsync("look back before the change", TravelAsync, cancellationToken);
            await _steps.RunAsync("compare with the import", DiffAsync, cancellationToken);
            await _steps.RunAsync("change a key on two sides, and merge", MergeAsync, cancellationToken);
            await _steps.RunAsync("ask who won, and why", ExplainAsync, cancellationToken);
            await _steps.RunAsync("bring the imported state back", RestoreAsync, cancellationToken);
            await _steps.RunAsync("close and open again", ReopenAsync, cancellationToken);
            await _steps.RunAsync("verify everything", VerifyAsync, cancellationToken);
            await new SyncDemo(_steps, directory).RunAsync(cancellationToken);
            await new DaemonDemo(_steps, Path.Combine(directory, "daemon")).RunAsync(cancellationToken);
            var root = (await HeadAsync(cancellationToken)).Root.ToString();
            output.Result($"root {root}", json => json.WriteString("root", root));
        }
        finally
        {
            await CloseAsync();
        }

        if (!output.IsJson)
        {
            output.Line(string.Create(
                CultureInfo.InvariantCulture,
                $"done in {elapsed.Elapsed.TotalSeconds:0.0} s; what it made is deleted"));
        }
    }

    private async Task<string> OpenAsync(CancellationToken cancellationToken)
    {
        _session = await Cli.Session.OpenAsync(_pages, "demo", new RepositoryOptions(), cancellationToken);
        _page = await _session.Ledger.GetPageAsync(PageId.Root, cancellationToken);
        return _pages;
    }

    private async Task<string> ImportAsync(CancellationToken cancellationToken)
    {
        var path = Path.Combine(AppContext.BaseDirectory, "samples", "unicode", "characters.jsonl");
        await using var content = File.OpenRead(path);
        using var progress = new Progress("rows");
        var options = new ImportOptions
        {
            Source = Path.GetFileName(path),
            KeyField = "code",
            SizeBytes = content.Length,
        };
        var result = await new Importer(Page, options).RunAsync(content, progress, cancellationToken);
        _imported = (await HeadAsync(cancellationToken)).Id;
        DemoSteps.Check(result.Entries > 30_000, "the table has more than 30,000 rows");
        return $"{result.Entries} rows, {content.Length} bytes, in {result.Commits} commits";
    }

    private async Task<string> ReadAsync(CancellationToken cancellationToken)
    {
        await using var snapshot = await Page.GetSnapshotAsync("U+1F9"u8.ToArray(), cancellationToken);
        _crabBefore = await snapshot.GetAsync(Crab, cancellationToken) ?? default;
        var listed = await snapshot.GetEntriesAsync(cancellationToken: cancellationToken).CountAsync(cancellationToken);
        var counted = await snapshot.CountAsync(cancellationToken: cancellationToken);
        DemoSteps.Check(listed == counted, "a prefix has as many entries as the tree counts");
        return $"U+1F980 is {NameIn(_crabBefore)}; {counted} codes begin with U+1F9";
    }

    private async Task<string> TransactAsync(CancellationToken cancellationToken)
    {
        await using var watched = await Session.Ledger.GetPageAsync(PageId.Root, cancellationToken);
        await using var watch = await watched.WatchAsync(cancellationToken: cancellationToken);
        await using var changes = watch.ChangesAsync(cancellationToken).GetAsyncEnumerator(cancellationToken);

        await using var transaction = await Page.BeginTransactionAsync(cancellationToken);
        await transaction.PutAsync(Crab, Named("A CRAB, RENAMED"), cancellationToken: cancellationToken);
        await transaction.DeleteAsync(Lobster, cancellationToken);
        var commit = await transaction.CommitAsync(
            message: "rename the crab, drop the lobster", cancellationToken: cancellationToken);

        DemoSteps.Check(await changes.MoveNextAsync(), "the watcher sees the change");
        var change = changes.Current;
        var keys = await change.GetEntriesAsync(cancellationToken)
            .Select(entry => Encoding.UTF8.GetString(entry.Key.Span)).ToListAsync(cancellationToken);
        DemoSteps.Check(
            change.Commit.Id == commit && keys is ["U+1F980", "U+1F99E"], "the watcher sees one commit of two keys");
        return $"commit {commit.Short()}; the watcher saw {string.Join(" and ", keys)} at once";
    }

    private async Task<string> StoreLargeAsync(CancellationToken cancellationToken)
    {
        var before = await StoredBytesAsync(cancellationToken);
        await PutLargeAsync(FirstPhoto, cancellationToken);
        var once = await StoredBytesAsync(cancellationToken);
        await PutLargeAsync(SecondPhoto, cancellationToken);
        var twice = await StoredBytesAsync(cancellationToken);
        DemoSteps.Check(once - before > LargeSizeBytes, "the first copy is stored");
        DemoSteps.Check(twice - once < LargeSizeBytes / 10, "the second copy is not stored again");
        return $"the log grew by {once - before} bytes, then by {twice - once}";
    }

    private async Task PutLargeAsync(byte[] key, CancellationToken cancellationToken)
    {
        await using var content = new DemoContent(LargeSizeBytes);
        var reference = await Page.CreateReferenceAsync(content, LargeSizeBytes, cancellationToken);
        await Page.PutReferenceAsync(key, reference, cancellationToken: cancellationToken);
    }

    private async Task<string> ReadLargeAsync(CancellationToken cancellationToken)
    {
        await using var snapshot = await Page.GetSnapshotAsync(cancellationToken: cancellationToken);
        await using var stored = await snapshot.OpenReadAsync(SecondPhoto, cancellationToken) ?? Stream.Null;
        await using var expected = new DemoContent(LargeSizeBytes);
        var actualPart = new byte[1 << 16];
        var expectedPart = new byte[1 << 16];
        long sizeBytes = 0;
        for (var read = -1; read != 0;)
        {
            read = await stored.ReadAtLeastAsync(
                actualPart, actualPart.Length, throwOnEndOfStream: false, cancellationToken);
            var wanted = expected.ReadAtLeast(expectedPart.AsSpan(0, read), read, throwOnEndOfStream: false);
            DemoSteps.Check(
                actualPart.AsSpan(0, read).SequenceEqual(expectedPart.AsSpan(0, wanted)),
                "the bytes come back as they went in");
            sizeBytes += read;
        }

        DemoSteps.Check(sizeBytes == LargeSizeBytes, "all of them come back");
        return $"{sizeBytes} bytes, all as they went in";
    }

    private async Task<string> TravelAsync(CancellationToken cancellationToken)
    {
        await using var past = await Page.GetSnapshotAsync(
            AsOf.Commit(_imported), cancellationToken: cancellationToken);
        var value = await past.GetAsync(Crab, cancellationToken) ?? default;
        DemoSteps.Check(value.Span.SequenceEqual(_crabBefore.Span), "the past has the value that was imported");
        var versions = await Page.HistoryOfAsync(Crab, cancellationToken).CountAsync(cancellationToken);
        return $"U+1F980 was {NameIn(value)}; it has had {versions} values";
    }

    private async Task<string> DiffAsync(CancellationToken cancellationToken)
    {
        var head = await HeadAsync(cancellationToken);
        var changes = await Page.DiffAsync(_imported, head.Id, cancellationToken: cancellationToken)
            .Select(change => (change.Before, change.After) switch
            {
                (null, _) => "+",
                (_, null) => "-",
                _ => "~",
            } + Encoding.UTF8.GetString(change.Key.Span))
            .ToListAsync(cancellationToken);
        DemoSteps.Check(changes.Count == 4, "four keys differ from the import");
        return string.Join(' ', changes);
    }

    private async Task<string> MergeAsync(CancellationToken cancellationToken)
    {
        await using var other = await Session.Ledger.GetPageAsync(PageId.Root, cancellationToken);
        await using var first = await Page.BeginTransactionAsync(cancellationToken);
        await using var second = await other.BeginTransactionAsync(cancellationToken);
        await first.PutAsync(Crab, Named("A CRAB OF ONE SIDE"), cancellationToken: cancellationToken);
        await first.DeleteAsync(FirstPhoto, cancellationToken);
        await second.PutAsync(Crab, Named("A CRAB OF THE OTHER SIDE"), cancellationToken: cancellationToken);
        await second.DeleteAsync(SecondPhoto, cancellationToken);
        await first.CommitAsync(cancellationToken: cancellationToken);
        await second.CommitAsync(cancellationToken: cancellationToken);
        await Page.WaitForMergesAsync(cancellationToken);

        var heads = await Page.GetHeadsAsync(cancellationToken);
        var value = await Page.GetAsync(Crab, cancellationToken) ?? default;
        DemoSteps.Check(heads is [{ Parents.Count: 2 }], "both sides are one again");
        DemoSteps.Check(NameIn(value) == "A CRAB OF THE OTHER SIDE", "the newest writer of the key wins");
        DemoSteps.Check(
            await Page.GetAsync(FirstPhoto, cancellationToken) is null &&
            await Page.GetAsync(SecondPhoto, cancellationToken) is null,
            "what only one side changed is merged");
        return $"U+1F980 is {NameIn(value)}; both photos are gone";
    }

    private async Task<string> ExplainAsync(CancellationToken cancellationToken)
    {
        var explanation = await Page.ExplainAsync(Crab, cancellationToken).FirstAsync(cancellationToken);
        DemoSteps.Check(
            explanation is { Decision: MergeDecision.Left, Left.Writer: not null }, "the merge says who won");
        var differences = await Page.ReplayAsync(explanation.Merge.Id, cancellationToken: cancellationToken)
            .CountAsync(cancellationToken);
        DemoSteps.Check(differences == 0, "the merge made again is the same");
        await Session.Repository.FlushAsync(cancellationToken);
        return $"merge {explanation.Merge.Id.Short()} took {NameIn(explanation.Result?.Value ?? default)} " +
            $"of {CommitNames.Format(explanation.Left.Writer?.Time)} over " +
            $"{NameIn(explanation.Right.Entry?.Value ?? default)}";
    }

    private async Task<string> RestoreAsync(CancellationToken cancellationToken)
    {
        var commit = await Page.RestoreAsync(_imported, cancellationToken: cancellationToken);
        await using var past = await Page.GetSnapshotAsync(
            AsOf.Commit(_imported), cancellationToken: cancellationToken);
        var head = await HeadAsync(cancellationToken);
        DemoSteps.Check(head.Id == commit && head.Root == past.Commit.Root, "the same entries have the same root");
        return $"commit {commit.Short()} has the root that the import had";
    }

    private async Task<string> ReopenAsync(CancellationToken cancellationToken)
    {
        var before = await HeadAsync(cancellationToken);
        await CloseAsync();
        await OpenAsync(cancellationToken);
        var after = await HeadAsync(cancellationToken);
        DemoSteps.Check(before.Id == after.Id, "the page is where it was");
        return $"still at commit {after.Id.Short()}, generation {after.Generation}";
    }

    private async Task<string> VerifyAsync(CancellationToken cancellationToken)
    {
        using var progress = new Progress("objects");
        var report = await Cli.Session.VerifyAsync(Session.Repository, progress, cancellationToken);
        DemoSteps.Check(report.Problems.Count == 0, "verify finds no problem");
        return $"{report.Objects} objects of {report.Bytes} bytes and {report.Commits} commits, no problems";
    }

    private async Task CloseAsync()
    {
        var (page, session) = (_page, _session);
        (_page, _session) = (null, null);
        if (page is not null)
        {
            await page.DisposeAsync();
        }

        if (session is not null)
        {
            await session.DisposeAsync();
        }
    }

    /// <summary>The newest commit, on disk: its id is printed.</summary>
    private async Task<CommitInfo> HeadAsync(CancellationToken cancellationToken)
    {
        await using var snapshot = await Page.GetSnapshotAsync(cancellationToken: cancellationToken);
        await Session.Repository.FlushAsync(cancellationToken);
        return snapshot.Commit;
    }

    private async Task<long> StoredBytesAsync(CancellationToken cancellationToken)
    {
        await HeadAsync(cancellationToken);
        using var progress = new Progress("objects");
        return (await Cli.Session.VerifyAsync(Session.Repository, progress, cancellationToken)).LogBytes;
    }

    private static byte[] Named(string name) => Encoding.UTF8.GetBytes($"{{\"name\":\"{name}\"}}");

    private static string NameIn(ReadOnlyMemory<byte> row)
    {
        using var document = JsonDocument.Parse(row);
        return document.RootElement.GetProperty("name").GetString() ?? "";
    }
}
