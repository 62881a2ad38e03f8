using System.Security.Cryptography;
using Ledger.Cli.Terminal;
using Ledger.Commits;
using Ledger.Pages;

namespace Ledger.Cli.Import;

/// <summary>How an import is done.</summary>
internal sealed record ImportOptions
{
    /// <summary>The source's name, by which a later run knows it again.</summary>
    public required string Source { get; init; }

    /// <summary>The member of each row that is its key; null for rows of key and value.</summary>
    public string? KeyField { get; init; }

    /// <summary>Rows in a transaction. Default 1,000.</summary>
    public int BatchSize { get; init; } = 1000;

    /// <summary>Skip what an earlier run of the same import committed. Default true.</summary>
    public bool Resume { get; init; } = true;

    /// <summary>Called after each acknowledged batch with the lines done and its commit; null for nobody.</summary>
    public Action<long, CommitId>? Acknowledged { get; init; }

    /// <summary>Bytes of the source; null when they are not known.</summary>
    public long? SizeBytes { get; init; }
}

/// <summary>What an import did.</summary>
/// <param name="Entries">Rows that were put.</param>
/// <param name="Commits">Commits that were made: a batch that changes nothing makes none.</param>
/// <param name="Skipped">Lines that an earlier run had committed.</param>
internal sealed record ImportResult(long Entries, long Commits, long Skipped);

/// <summary>
/// Reads JSON Lines into a page in transactions. A malformed line ends it: nothing of its batch is applied, and the
/// batches before stay.
/// </summary>
/// <remarks>
/// The message of each batch's commit names the lines in it and a hash of everything up to its end. A later run over
/// the same source skips a batch when its lines still hash to what the commit says, so it goes on where the last one
/// was killed; from the first difference on, rows are put again, and those that change nothing make no commit.
/// </remarks>
/// <param name="page">The page.</param>
/// <param name="options">How.</param>
internal sealed class Importer(IPage page, ImportOptions options)
{
    // Values above this go through a reference.
    private const int DirectSizeBytesMax = 1 << 20;

    // A batch that may be skipped is held until its hash is known, up to so many bytes.
    private const int HeldSizeBytesMax = 64 << 20;

    // How far back the last run's commits are looked for.
    private const int MarkersMax = 100_000;

    private readonly Queue<byte[]> _held = new();
    private readonly byte[] _prefix = new byte[SHA256.HashSizeInBytes];
    private LineReader _reader = new(Stream.Null);
    private long _line;
    private long _entries;
    private long _commits;
    private long _skipped;

    /// <summary>Imports everything that the stream has.</summary>
    /// <param name="content">Read to its end; not disposed.</param>
    /// <param name="progress">Where it says how far it is.</param>
    /// <param name="cancellationToken">Ends it between two rows; the batch in hand is dropped.</param>
    public async Task<ImportResult> RunAsync(Stream content, Progress progress, CancellationToken cancellationToken)
    {
        _reader = new LineReader(content);
        var markers = options.Resume ? await FindMarkersAsync(cancellationToken) : [];
        while (true)
        {
            if (markers.TryGetValue(_line, out var marker) && await TrySkipAsync(marker, cancellationToken))
            {
                continue;
            }

            // What did not match belongs to no batch of the last run any more.
            markers.Clear();
            if (!await ImportBatchAsync(progress, cancellationToken))
            {
                return new ImportResult(_entries, _commits, _skipped);
            }
        }
    }

    /// <summary>The commits of the last run over this source, by the line that each begins after.</summary>
    private async Task<Dictionary<long, ImportMarker>> FindMarkersAsync(CancellationToken cancellationToken)
    {
        var markers = new Dictionary<long, ImportMarker>();
        var next = long.MaxValue;
        await foreach (var commit in page.LogAsync(limit: MarkersMax, cancellationToken: cancellationToken))
        {
            if (ImportMarker.Parse(commit.Message) is not { } marker || marker.Source != options.Source)
            {
                continue;
            }

            // Newest first: a batch that ends after the one before it began is from another run.
            if (marker.ToLine > next)
            {
                break;
            }

            markers[marker.FromLine] = marker;
            next = marker.FromLine;
        }

        return markers;
    }

    /// <summary>Skips the lines of a marker if they are still the same; otherwise keeps them for the import.</summary>
    private async Task<bool> TrySkipAsync(ImportMarker marker, CancellationToken cancellationToken)
    {
        var prefix = _prefix.ToArray();
        long sizeBytes = 0;
        for (var line = _line; line < marker.ToLine; line++)
        {
            if (sizeBytes > HeldSizeBytesMax ||
                await _reader.ReadAsync(cancellationToken) is not { } content)
            {
                return false;
            }

            Chain(prefix, content.Span);
            _held.Enqueue(content.ToArray());
            sizeBytes += content.Length;
        }

        if (HexOf(prefix) != marker.Prefix)
        {
            return false;
        }

        _skipped += _held.Count;
        _held.Clear();
        prefix.CopyTo(_prefix, 0);
        _line = marker.ToLine;
        return true;
    }

    /// <summary>Imports the next batch as one transaction.</summary>
    /// <returns>False when there was nothing left.</returns>
    private async Task<bool> ImportBatchAsync(Progress progress, CancellationToken cancellationToken)
    {
        if (await NextLineAsync(cancellationToken) is not { } line)
        {
            return false;
        }

        var fromLine = _line;
        var rows = 0;
        await using var transaction = await page.BeginTransactionAsync(cancellationToken);
        for (ReadOnlyMemory<byte>? next = line; next is { } content; next = await NextLineAsync(cancellationToken))
        {
            Chain(_prefix, content.Span);
            _line++;
            if (!content.Span.ContainsAnyExcept(" \t"u8))
            {
                continue;
            }

            await PutAsync(transaction, Parse(content), cancellationToken);
            progress.Report(_entries + ++rows, (double)_reader.BytesRead / options.SizeBytes);
            if (rows == options.BatchSize)
            {
                break;
            }
        }

        var marker = new ImportMarker(fromLine, _line, HexOf(_prefix), options.Source);
        var commit = await transaction.CommitAsync(message: marker.ToString(), cancellationToken: cancellationToken);
        _entries += rows;
        _commits += commit == transaction.Base.Id ? 0 : 1;
        options.Acknowledged?.Invoke(_line, commit);
        return true;
    }

    private async ValueTask<ReadOnlyMemory<byte>?> NextLineAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return _held.TryDequeue(out var held) ? held : await _reader.ReadAsync(cancellationToken);
    }

    private JsonRow Parse(ReadOnlyMemory<byte> line)
    {
        // Some programs begin a file with a byte order mark.
        if (_line == 1 && line.Span.StartsWith("\uFEFF"u8))
        {
            line = line["\uFEFF"u8.Length..];
        }

        try
        {
            return options.KeyField is { } field ? JsonRow.Parse(line, field) : JsonRow.Parse(line);
        }
        catch (FormatException error)
        {
            throw new CliException(
                ExitCodes.Failed, $"Line {_line} of '{options.Source}' is malformed: {error.Message}.",
                "The batches before it are kept: mend the line and run it again to go on.", error);
        }
    }

    private async Task PutAsync(ITransaction transaction, JsonRow row, CancellationToken cancellationToken)
    {
        if (row.Value.Length <= DirectSizeBytesMax)
        {
            await transaction.PutAsync(row.Key, row.Value, cancellationToken: cancellationToken);
            return;
        }

        var reference = await page.CreateReferenceAsync(row.Value, row.Value.Length, cancellationToken);
        await transaction.PutReferenceAsync(row.Key, reference, cancellationToken: cancellationToken);
    }

    /// <summary>Replaces the hash of the lines so far by the hash of it and the next line.</summary>
    private static void Chain(byte[] prefix, ReadOnlySpan<byte> line)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(prefix);
        hash.AppendData(line);
        hash.GetHashAndReset(prefix);
    }

    private static string HexOf(byte[] prefix) => Convert.ToHexStringLower(prefix.AsSpan(0, 16));
}
