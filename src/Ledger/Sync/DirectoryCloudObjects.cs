using System.Buffers.Binary;
using System.Globalization;
using Ledger.Commits;
using Ledger.Objects;
using Ledger.Runtime;

namespace Ledger.Sync;

/// <summary>Blobs, leases, checkpoints and devices of a directory cloud. Blocks: call it offloaded.</summary>
/// <param name="runtime">The clock of leases.</param>
/// <param name="files">The cloud's.</param>
internal sealed class DirectoryCloudObjects(LedgerRuntime runtime, DirectoryCloudFiles files)
{
    private const int BlobHeaderSizeBytes = 8;
    private const long DayMs = 86_400_000;

    private string LeasesPath => files.In("leases");

    /// <summary>Stores a blob, or renews the lease of the one that is there.</summary>
    public bool PutBlob(BlobName name, ReadOnlyMemory<byte> content)
    {
        var path = BlobPathOf(name);
        if (!files.Exists(path))
        {
            files.MakeDirectory(Path.GetDirectoryName(path)!);
            var stored = new byte[BlobHeaderSizeBytes + content.Length];
            BinaryPrimitives.WriteInt64LittleEndian(stored, runtime.WallClockMs());
            content.Span.CopyTo(stored.AsSpan(BlobHeaderSizeBytes));
            if (files.TryCreate(path, stored))
            {
                return true;
            }
        }

        // Whoever made it may have died before its name was on the disk.
        files.FlushDirectory(Path.GetDirectoryName(path)!);
        Lease([name]);
        return false;
    }

    /// <summary>A blob's content; null when there is none.</summary>
    /// <exception cref="CloudUnavailableException">The whole cloud is not there.</exception>
    public ReadOnlyMemory<byte>? GetBlob(BlobName name)
    {
        if (files.ReadOrNull(BlobPathOf(name), BlobHeaderSizeBytes + CloudLimits.BlobSizeBytesMax) is { } stored)
        {
            return stored.AsMemory(Math.Min(BlobHeaderSizeBytes, stored.Length));
        }

        // Only a cloud that is there can say that it does not have a blob.
        _ = files.ReadIncarnation();
        return null;
    }

    /// <summary>Which blobs are there; their leases are renewed.</summary>
    public IReadOnlyList<bool> HasBlobs(IReadOnlyList<BlobName> names)
    {
        var found = names.Select(name => files.Exists(BlobPathOf(name))).ToArray();
        BlobName[] present = [.. names.Where((_, index) => found[index]).Distinct()];
        foreach (var directory in present.Select(name => Path.GetDirectoryName(BlobPathOf(name))!).Distinct())
        {
            files.FlushDirectory(directory);
        }

        if (present.Length > 0)
        {
            Lease(present);
        }

        return found;
    }

    /// <summary>Until when a blob stays; null when there is none.</summary>
    public DateTimeOffset? LeaseOf(BlobName name)
    {
        if (files.ReadOrNull(BlobPathOf(name), BlobHeaderSizeBytes) is not { Length: >= BlobHeaderSizeBytes } stored)
        {
            return null;
        }

        var untilMs = BinaryPrimitives.ReadInt64LittleEndian(stored) + LeaseMs;
        foreach (var lease in files.List(LeasesPath))
        {
            if (files.ReadOrNull(Path.Combine(LeasesPath, lease), int.MaxValue - 1) is { } content &&
                DecodeLeaseOrNull(content) is { } read && read.Names.Contains(name))
            {
                untilMs = Math.Max(untilMs, read.UntilMs);
            }
        }

        return DateTimeOffset.FromUnixTimeMilliseconds(untilMs);
    }

    /// <summary>Stores a checkpoint, and takes away those that nobody needs any more.</summary>
    public bool PutCheckpoint(LedgerName ledger, CloudCheckpoint checkpoint)
    {
        var directory = CheckpointsPathOf(ledger, checkpoint.Page);
        files.MakeDirectory(directory);
        var isNew = files.TryCreate(
            Path.Combine(directory, Name(checkpoint.Position.Value)), checkpoint.Content.Span);
        var stableCut = CheckpointRules.StableCutOf(ListDevices(ledger).Select(device => device.Acknowledged));
        foreach (var position in CheckpointRules.FindUnneeded(ListCheckpoints(ledger, checkpoint.Page), stableCut))
        {
            files.Delete(Path.Combine(directory, Name(position.Value)));
        }

        return isNew;
    }

    /// <summary>Positions of a page's checkpoints, ascending.</summary>
    public IReadOnlyList<FeedPosition> ListCheckpoints(LedgerName ledger, PageName page) =>
        [.. files.List(CheckpointsPathOf(ledger, page)).Select(ParseOrNull).OfType<long>().Order()
            .Select(position => new FeedPosition(position))];

    /// <summary>A checkpoint; null when it is gone.</summary>
    public CloudCheckpoint? GetCheckpoint(LedgerName ledger, PageName page, FeedPosition position) =>
        files.ReadOrNull(
            Path.Combine(CheckpointsPathOf(ledger, page), Name(position.Value)),
            CloudLimits.CheckpointSizeBytesMax) is { } content
            ? new CloudCheckpoint(page, position, content)
            : null;

    /// <summary>Adds a device to the set, or replaces what it says.</summary>
    public bool RegisterDevice(LedgerName ledger, DeviceId device, ReadOnlyMemory<byte> content)
    {
        files.MakeDirectory(SetPathOf(ledger));
        files.Replace(Path.Combine(SetPathOf(ledger), device.ToString()), content.Span);
        return true;
    }

    /// <summary>The set, ascending by device, without sequence numbers.</summary>
    public IReadOnlyList<CloudDevice> ListDevices(LedgerName ledger)
    {
        var devices = new List<CloudDevice>();
        foreach (var name in files.List(SetPathOf(ledger)))
        {
            if (UInt128.TryParse(name, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var id) &&
                files.ReadOrNull(Path.Combine(SetPathOf(ledger), name), CloudLimits.DeviceSizeBytesMax) is { } content)
            {
                var device = new DeviceId(id);
                devices.Add(new CloudDevice(device, content, null, AcknowledgedOf(ledger, device)));
            }
        }

        return devices;
    }

    /// <summary>Takes a device out of the set.</summary>
    /// <returns>False when it was not in it.</returns>
    public bool RemoveDevice(LedgerName ledger, DeviceId device)
    {
        var path = Path.Combine(SetPathOf(ledger), device.ToString());
        var isMember = files.Exists(path) && files.Delete(path);
        foreach (var name in files.List(AcknowledgedPathOf(ledger, device)))
        {
            files.Delete(Path.Combine(AcknowledgedPathOf(ledger, device), name));
        }

        return isMember;
    }

    /// <summary>Notes up to where a device has taken in; a file for each, so that the greatest always counts.</summary>
    /// <returns>False when the device is not in the set.</returns>
    public bool Acknowledge(LedgerName ledger, DeviceId device, FeedPosition position)
    {
        if (!files.Exists(Path.Combine(SetPathOf(ledger), device.ToString())))
        {
            return false;
        }

        var directory = AcknowledgedPathOf(ledger, device);
        if (AcknowledgedOf(ledger, device) < position)
        {
            files.MakeDirectory(directory);
            files.TryCreate(Path.Combine(directory, Name(position.Value)), []);
        }

        foreach (var name in files.List(directory))
        {
            if (ParseOrNull(name) is { } older && older < AcknowledgedOf(ledger, device).Value)
            {
                files.Delete(Path.Combine(directory, name));
            }
        }

        return true;
    }

    // One more, because the clock was cut to whole milliseconds.
    private static long LeaseMs => (long)CloudLimits.BlobLease.TotalMilliseconds + 1;

    private static string Name(long number) => number.ToString("x16", CultureInfo.InvariantCulture);

    private static long? ParseOrNull(string name) =>
        name.Length == 16 &&
        long.TryParse(name, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var number)
            ? number
            : null;

    private static byte[] EncodeLease(long untilMs, IReadOnlyList<BlobName> names)
    {
        var writer = new ByteWriter(16 + (names.Count * BlobName.SizeBytes));
        writer.WriteUInt64((ulong)untilMs);
        foreach (var name in names)
        {
            name.CopyTo(writer.Reserve(BlobName.SizeBytes));
        }

        writer.WriteUInt32(Crc32C.Of(writer.WrittenSpan));
        return writer.ToArray();
    }

    private static (long UntilMs, HashSet<BlobName> Names)? DecodeLeaseOrNull(byte[] content)
    {
        if (content.Length < 12 || (content.Length - 12) % BlobName.SizeBytes != 0 ||
            BinaryPrimitives.ReadUInt32LittleEndian(content.AsSpan(^4)) != Crc32C.Of(content.AsSpan(..^4)))
        {
            return null;
        }

        var names = new HashSet<BlobName>();
        for (var offset = 8; offset < content.Length - 4; offset += BlobName.SizeBytes)
        {
            names.Add(BlobName.Read(content.AsSpan(offset)));
        }

        return (BinaryPrimitives.ReadInt64LittleEndian(content), names);
    }

    private FeedPosition AcknowledgedOf(LedgerName ledger, DeviceId device) =>
        new(files.List(AcknowledgedPathOf(ledger, device)).Select(ParseOrNull).OfType<long>()
            .DefaultIfEmpty(0).Max());

    private void Lease(IReadOnlyList<BlobName> names)
    {
        files.MakeDirectory(LeasesPath);
        var nowMs = runtime.WallClockMs();
        var today = (nowMs / DayMs).ToString("x8", CultureInfo.InvariantCulture);
        foreach (var expired in files.List(LeasesPath).Where(name => string.CompareOrdinal(name, today) < 0))
        {
            files.Delete(Path.Combine(LeasesPath, expired));
        }

        // Named by the day after the last one, so that names alone tell which have ended.
        var until = nowMs + LeaseMs;
        var day = ((until / DayMs) + 1).ToString("x8", CultureInfo.InvariantCulture);
        files.TryCreate(Path.Combine(LeasesPath, $"{day}-{files.NewRandomName()}"), EncodeLease(until, names));
    }

    private string BlobPathOf(BlobName name) => files.In("blobs", name.ToString()[..3], name.ToString());

    private string CheckpointsPathOf(LedgerName ledger, PageName page) =>
        files.In("feeds", ledger.ToString(), "checkpoints", page.ToString());

    private string SetPathOf(LedgerName ledger) => files.In("feeds", ledger.ToString(), "set");

    private string AcknowledgedPathOf(LedgerName ledger, DeviceId device) =>
        files.In("feeds", ledger.ToString(), "acknowledged", device.ToString());
}
