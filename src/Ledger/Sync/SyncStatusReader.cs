using System.Globalization;
using System.Security.Cryptography;
using Ledger.Commits;
using Ledger.Objects;

namespace Ledger.Sync;

/// <summary>Puts together what is known of a ledger's synchronisation.</summary>
/// <param name="context">The ledger's.</param>
/// <param name="state">The ledger's.</param>
internal sealed class SyncStatusReader(SyncContext context, SyncState state)
{
    private const int ProblemsMax = 100;

    /// <summary>Reads rows and counts.</summary>
    public async Task<SyncStatus> ReadAsync(
        SyncPhase phase, int pagesToUpload, int pagesToShow, CancellationToken cancellationToken)
    {
        await context.Runtime.Enter();
        using var turn = await context.Turns.AcquireAsync(cancellationToken);
        var counts = context.Report.Counts;
        var (block, reason) = context.Report.Block;
        return new SyncStatus
        {
            Phase = phase,
            Block = block,
            Error = reason ?? context.Report.Failure,
            EntriesReceived = counts.EntriesReceived,
            BytesReceived = counts.BytesReceived,
            EntriesSent = counts.EntriesSent,
            BytesSent = counts.BytesSent,
            PagesToUpload = pagesToUpload,
            PagesToShow = pagesToShow,
            CommitsWaiting = counts.Waiting,
            WaitingSizeBytes = counts.WaitingSizeBytes,
            Problems = await ReadProblemsAsync(counts, cancellationToken),
            Devices = ListDevices(),
            Digest = DigestOf(state.Chains),
        };
    }

    private static string DigestOf(IReadOnlyDictionary<DeviceId, ChainRow> chains)
    {
        var writer = new ByteWriter();
        foreach (var (device, chain) in chains.OrderBy(pair => pair.Key.Value))
        {
            device.CopyTo(writer.Reserve(DeviceId.SizeBytes));
            SyncRowFormat.WriteHash(writer, chain.Hash);
        }

        return Convert.ToHexStringLower(SHA256.HashData(writer.WrittenSpan).AsSpan(0, 4));
    }

    private List<SyncDeviceStatus> ListDevices() =>
    [
        .. state.Chains.OrderBy(pair => pair.Key.Value).Select(pair => new SyncDeviceStatus(
            pair.Key.ToString(), pair.Key == state.Self.Device, pair.Value.Last + 1,
            DateTimeOffset.FromUnixTimeMilliseconds(pair.Value.HeardMs))),
    ];

    private async ValueTask<List<SyncProblem>> ReadProblemsAsync(
        SyncCounts counts, CancellationToken cancellationToken)
    {
        var problems = new List<SyncProblem>();
        foreach (var (device, chain) in state.Chains.OrderBy(pair => pair.Key.Value))
        {
            if (chain.IsForked)
            {
                problems.Add(new SyncProblem(
                    SyncProblemKind.Forked,
                    $"Device {device} has two histories: its name is used twice, or devices were kept apart."));
            }

            problems.AddRange(chain.Gaps.Select(gap => new SyncProblem(
                SyncProblemKind.MissingEntries,
                $"Entries {gap.First} to {gap.Last} of device {device} are missing, although later ones came.")));
        }

        if (counts.WaitingSince is { } since &&
            context.Runtime.Time.GetElapsedTime(since) >= SyncReport.WaitingTimeMax)
        {
            problems.Add(new SyncProblem(
                SyncProblemKind.Waiting,
                $"{counts.Waiting} commits wait for others that have not come since " +
                $"{context.Runtime.Time.GetElapsedTime(since).ToString("g", CultureInfo.InvariantCulture)}."));
        }

        await foreach (var (key, value) in context.Store.ScanRowsAsync(SyncRowKeys.Quarantine, cancellationToken))
        {
            if (problems.Count == ProblemsMax)
            {
                break;
            }

            var row = QuarantineRow.Decode(value.Span);
            if (row.Kind == SyncProblemKind.AheadOfTime && !IsAhead(row.Sequence))
            {
                continue;
            }

            problems.Add(new SyncProblem(
                row.Kind,
                row.Kind == SyncProblemKind.Quarantined && SyncRowKeys.ReadPosition(key.Span) != FeedPosition.Last
                    ? $"Entry {row.Id} at position {SyncRowKeys.ReadPosition(key.Span)} of device {row.Device} was " +
                        $"put aside. {row.Reason}"
                    : row.Reason));
        }

        return [.. problems.Take(ProblemsMax)];
    }

    // The clock moves on, or somebody sets it right: then there is no problem any more.
    private bool IsAhead(long commitMs) =>
        commitMs - context.Runtime.WallClockMs() > SyncReport.AheadTimeMax.TotalMilliseconds;
}
