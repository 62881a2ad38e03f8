using Ledger.Cli.Terminal;
using Ledger.Streams;
using Ledger.Streams.Memory;

namespace Ledger.Cli.Streams;

/// <summary>What an import did.</summary>
/// <param name="Entries">Entries that were appended.</param>
/// <param name="Duplicates">Entries whose dedup key the stream had already.</param>
/// <param name="Skipped">Entries that an earlier run had appended.</param>
internal sealed record StreamImportResult(long Entries, long Duplicates, long Skipped);

/// <summary>Appends entries of another store in batches, and goes on where an earlier run was killed.</summary>
/// <remarks>
/// Each stream keeps its order; within a batch streams follow each other. An entry that is there, with its source id,
/// payload and time, was imported before. A batch is appended whole or not at all where the store can do that, so only
/// the first batch that is not there as a whole is looked at entry by entry.
/// </remarks>
/// <param name="store">Where they go.</param>
internal sealed class StreamImporter(IStreamStore store)
{
    private const int BatchEntriesMax = 1_000;
    private const long BatchSizeBytesMax = 8 << 20;

    private readonly List<ImportedEntry> _batch = [];
    private long _batchSizeBytes;
    private bool _mayBeThere = true;
    private long _entries;
    private long _duplicates;
    private long _skipped;

    /// <summary>Imports everything.</summary>
    /// <param name="entries">In the order in which they are to stand.</param>
    /// <param name="progress">Where it says how far it is.</param>
    /// <param name="fraction">How much of the whole was read, 0 to 1; null when the whole is not known.</param>
    /// <param name="cancellationToken">Ends it between two batches.</param>
    /// <exception cref="CliException">An entry was refused; the batches before it stay.</exception>
    public async Task<StreamImportResult> RunAsync(
        IAsyncEnumerable<ImportedEntry> entries, Progress progress, Func<double?> fraction,
        CancellationToken cancellationToken)
    {
        await foreach (var entry in entries.WithCancellation(cancellationToken))
        {
            if (_batch.Count == BatchEntriesMax
                || _batch.Count > 0 && _batchSizeBytes + entry.Entry.Payload.Length > BatchSizeBytesMax)
            {
                await WriteAsync(cancellationToken);
                progress.Report(_entries + _skipped, fraction());
            }

            _batch.Add(entry);
            _batchSizeBytes += entry.Entry.Payload.Length;
        }

        await WriteAsync(cancellationToken);
        return new StreamImportResult(_entries, _duplicates, _skipped);
    }

    private async Task WriteAsync(CancellationToken cancellationToken)
    {
        if (_mayBeThere && _batch.Count > 0)
        {
            await LeaveOutAsync(cancellationToken);
        }

        var streams = _batch.GroupBy(entry => entry.Stream, StringComparer.Ordinal)
            .Select(group => (Append: new StreamAppend(group.Key, [.. group.Select(entry => entry.Entry)]), group))
            .ToArray();
        var isAtomic = store.Capabilities.HasFlag(StreamStoreCapabilities.AtomicAcrossStreams);
        foreach (var part in isAtomic && streams.Length > 0 ? [streams] : streams.Select(stream => new[] { stream }))
        {
            var results = await AppendAsync([.. part.Select(stream => stream.Append)], cancellationToken);
            foreach (var (result, (_, group)) in results.Zip(part))
            {
                _duplicates += result.DuplicateCount;
                _entries += result.Entries.Count - result.DuplicateCount;
                foreach (var (entry, appended) in group.Zip(result.Entries))
                {
                    await AnnotateAsync(entry, appended.Id, cancellationToken);
                }
            }
        }

        _batch.Clear();
        _batchSizeBytes = 0;
    }

    /// <summary>Leaves out what an earlier run appended; its annotations may not have come to be.</summary>
    private async Task LeaveOutAsync(CancellationToken cancellationToken)
    {
        var missing = new List<ImportedEntry>();
        foreach (var entry in _batch)
        {
            var found = await store.FindBySourceIdAsync(entry.Stream, entry.Entry.SourceId!, cancellationToken);
            if (found is not null && IsSame(found, entry.Entry))
            {
                _skipped++;
                await AnnotateAsync(entry, found.Id, cancellationToken);
            }
            else
            {
                missing.Add(entry);
            }
        }

        _mayBeThere = missing.Count == 0;
        _batch.Clear();
        _batch.AddRange(missing);
    }

    private static bool IsSame(Entry found, NewEntry entry) =>
        found.Payload.Span.SequenceEqual(entry.Payload.Span)
        && (entry.CreatedAt is not { } created
            || found.CreatedAt.ToUnixTimeMilliseconds() == created.ToUnixTimeMilliseconds());

    private async ValueTask AnnotateAsync(ImportedEntry entry, EntryId id, CancellationToken cancellationToken)
    {
        if (entry.Annotations.Count > 0)
        {
            await store.SetAnnotationsAsync(
                entry.Stream, id, entry.Annotations.ToDictionary(pair => pair.Key, string? (pair) => pair.Value),
                cancellationToken);
        }
    }

    private async Task<IReadOnlyList<AppendResult>> AppendAsync(
        IReadOnlyList<StreamAppend> appends, CancellationToken cancellationToken)
    {
        try
        {
            return await store.AppendAsync(appends, cancellationToken);
        }
        catch (ArgumentException error)
        {
            throw await RefusalAsync(error, cancellationToken);
        }
    }

    /// <summary>Finds which entry was refused: the same rules hold in every store, so one in memory can tell.</summary>
    private async Task<CliException> RefusalAsync(ArgumentException error, CancellationToken cancellationToken)
    {
        await using var memory = new MemoryStreamStore("imported");
        foreach (var entry in _batch)
        {
            try
            {
                await memory.AppendAsync(
                    [new StreamAppend(entry.Stream, [entry.Entry])], cancellationToken);
            }
            catch (ArgumentException refusal)
            {
                return Refusal($"{entry.Place} cannot be imported.", refusal);
            }
        }

        return Refusal($"The entries from {_batch[0].Place} on cannot be imported together.", error);
    }

    private static CliException Refusal(string sentence, ArgumentException error) => new(
        ExitCodes.Failed, $"{sentence} {StoreOptions.SentenceOf(error)}",
        "The batches before it are kept: mend the entry and run it again to go on.", error);
}
