using System.Globalization;
using Ledger.Commits;

namespace Ledger.Sync;

/// <summary>A ledger's feed in a directory cloud. Blocks: call it offloaded. Safe for concurrent use.</summary>
/// <remarks>
/// An append is one file, a <em>slot</em>, and the next free number is its name: who gets the name has appended. So
/// slots are numbered without holes, their end is found by looking for names, and nothing is ever listed. An entry's
/// position is 256 times its slot's number plus its index.
/// </remarks>
/// <param name="files">The cloud's.</param>
/// <param name="ledger">The ledger.</param>
internal sealed class DirectoryFeed(DirectoryCloudFiles files, LedgerName ledger)
{
    private const int SlotsInDirectory = 4096;
    private const int HintEverySlots = 32;

    private readonly Lock _gate = new();
    private readonly string _path = files.In("feeds", ledger.ToString());

    // The highest slot that was seen, and up to which the names are on the disk for sure.
    private long _end;
    private long _durableEnd;

    /// <summary>Where a file changes after each append; watched by readers.</summary>
    public string EndsPath => Path.Combine(_path, "ends");

    /// <summary>What the cloud says about the feed when it is connected to.</summary>
    public FeedState StateOf(FeedCursor cursor, DeviceId device)
    {
        var end = FindEnd(mayShrink: true);
        EntryId? atCursor = null;
        if (cursor.After > FeedPosition.Start && Read(FeedSlot.NumberOf(cursor.After)) is { } slot)
        {
            atCursor = slot.Entries.FirstOrDefault(entry => entry.Position == cursor.After)?.Entry.Id;
        }

        var last = end == 0 ? FeedPosition.Start : Read(end)?.Last ?? throw NewVanished(end);
        MakeDurable(end);
        return new FeedState(ledger, atCursor, last, LastSequenceOf(device));
    }

    /// <summary>The next slot after a position; null when there is none.</summary>
    /// <param name="after">The position.</param>
    /// <param name="expected">Id of the entry at the position; null when it is not known.</param>
    /// <returns>On the disk, name and content: no reader can have seen what power loss takes back.</returns>
    /// <exception cref="IOException">The position is not there any more: the feed was rolled back.</exception>
    public FeedSlot? ReadAfter(FeedPosition after, EntryId? expected)
    {
        var number = FeedSlot.NumberOf(after);
        if (number > 0)
        {
            var current = Read(number) ?? throw NewVanished(number);
            if (expected is { } id && !current.IsDamaged &&
                !current.Entries.Any(entry => entry.Position == after && entry.Entry.Id == id))
            {
                throw new IOException($"The file '{PathOf(number)}' is another one than it was.");
            }

            if (current.Last > after)
            {
                MakeDurable(number);
                return current;
            }
        }

        if (Read(number + 1) is not { } next)
        {
            return null;
        }

        NoteEnd(number + 1);
        MakeDurable(number + 1);
        return next;
    }

    /// <summary>Appends.</summary>
    public AppendResult Append(PageName page, IReadOnlyList<CloudEntry> entries, FeedPosition? expectedEnd)
    {
        var known = new Dictionary<EntryId, FeedPosition>();
        var searched = FindKnown(entries, known);
        var pageEnd = FindPageEnd(page, searched);
        while (true)
        {
            // Whatever was appended since may hold these entries, and move the page's end.
            while (Read(searched + 1) is { } slot)
            {
                searched++;
                Note(slot, entries, known);
                pageEnd = slot.Page == page && slot.Last > pageEnd ? slot.Last : pageEnd;
            }

            CloudEntry[] missing = [.. entries.Where(entry => !known.ContainsKey(entry.Id))];
            if (missing.Length == 0)
            {
                MakeDurable(searched);
                return new AppendResult(null, [.. entries.Select(entry => known[entry.Id])]);
            }

            if (expectedEnd is { } expected && expected != pageEnd)
            {
                throw new FeedMovedException(page, expected, pageEnd);
            }

            var number = searched + 1;
            WriteHints(missing, number);
            files.MakeDirectory(DirectoryOf(number));
            if (files.TryCreate(PathOf(number), FeedSlot.Encode(page, missing)))
            {
                var written = FeedSlot.Decode(number, FeedSlot.Encode(page, missing));
                Note(written, entries, known);
                NoteEnd(number);
                MakeDurable(number);
                WriteEnds(written);
                return new AppendResult(pageEnd, [.. entries.Select(entry => known[entry.Id])]);
            }

            if (!files.Exists(PathOf(number)))
            {
                throw new IOException($"The name '{PathOf(number)}' is taken, but the file is not seen.");
            }
        }
    }

    /// <summary>The highest sequence number of a device; null when it has no entries.</summary>
    public long? LastSequenceOf(DeviceId device)
    {
        var path = DevicePathOf(device);
        var (begin, sequence) = ReadHint(path) is { } hint && hint.Slot <= FindEnd()
            ? (hint.Slot, hint.Value - 1)
            : (0, -1);
        var number = begin + 1;
        for (; Read(number) is { } slot; number++)
        {
            foreach (var entry in slot.Entries.Where(entry => entry.Entry.Device == device && !slot.IsDamaged))
            {
                sequence = Math.Max(sequence, entry.Entry.Sequence);
            }
        }

        if (number - begin > HintEverySlots)
        {
            // The next one need not look at all of these again.
            files.MakeDirectory(Path.GetDirectoryName(path)!);
            files.ReplaceHint(path, FeedHint.Encode(new FeedHint(number - 1, sequence + 1)));
        }

        return sequence < 0 ? null : sequence;
    }

    private static void Note(
        FeedSlot slot, IReadOnlyList<CloudEntry> entries, Dictionary<EntryId, FeedPosition> known)
    {
        foreach (var entry in slot.Entries.Where(entry => entries.Any(each => each.Id == entry.Entry.Id)))
        {
            known.TryAdd(entry.Entry.Id, entry.Position);
        }
    }

    private IOException NewVanished(long number) => new($"The file '{PathOf(number)}' was there and is not any more.");

    /// <summary>Looks where the entries may be already.</summary>
    /// <returns>The last slot that was searched, or need not be: what is known of the entries is before it.</returns>
    private long FindKnown(IReadOnlyList<CloudEntry> entries, Dictionary<EntryId, FeedPosition> known)
    {
        // A hint names a slot at or before the entry's: it is on the disk before the entry is.
        var first = long.MaxValue;
        foreach (var entry in entries)
        {
            var path = HintPathOf(entry.Id);
            if (files.Exists(path))
            {
                // One that is damaged says only that there may be something.
                first = Math.Min(first, ReadHint(path)?.Slot ?? 1);
            }
        }

        var end = FindEnd();
        for (var number = first; number <= end; number++)
        {
            Note(Read(number) ?? throw NewVanished(number), entries, known);
        }

        return end;
    }

    /// <summary>Finds where the page's part ends.</summary>
    /// <param name="page">The page.</param>
    /// <param name="searched">The last slot when the search began.</param>
    private FeedPosition FindPageEnd(PageName page, long searched)
    {
        var path = EndPathOf(page);
        if (!files.Exists(path))
        {
            // It is made before the page's first entry is, so there is none up to the slot.
            files.MakeDirectory(EndsPath);
            files.TryCreate(path, FeedHint.Encode(new FeedHint(searched, 0)));
            return FeedPosition.Start;
        }

        var hint = ReadHint(path) is { } read && IsTrue(read, page, searched) ? read : default;
        var end = new FeedPosition(hint.Value);
        for (var number = hint.Slot + 1; number <= searched && Read(number) is { } next; number++)
        {
            end = next.Page == page && !next.IsDamaged ? next.Last : end;
        }

        return end;
    }

    // What a hint says is not so any more when the cloud was rolled back.
    private bool IsTrue(FeedHint hint, PageName page, long searched) =>
        hint.Slot <= searched &&
        (hint.Value == 0 || (Read(hint.Slot) is { } slot && slot.Page == page && slot.Last.Value == hint.Value));

    /// <summary>Number of the last slot: doubles the step until one is missing, then halves it.</summary>
    /// <param name="mayShrink">
    /// The caller compares with what was there before. For others a feed that has become shorter is an error: nothing
    /// is appended to a cloud that was rolled back before somebody has connected and noticed it.
    /// </param>
    /// <exception cref="IOException">A slot that was there is not any more.</exception>
    private long FindEnd(bool mayShrink = false)
    {
        long low;
        lock (_gate)
        {
            low = _end;
        }

        if (low > 0 && !files.Exists(PathOf(low)))
        {
            low = mayShrink ? 0 : throw NewVanished(low);
        }

        var step = 1L;
        while (files.Exists(PathOf(low + step)))
        {
            low += step;
            step *= 2;
        }

        for (step /= 2; step > 0; step /= 2)
        {
            low = files.Exists(PathOf(low + step)) ? low + step : low;
        }

        lock (_gate)
        {
            _end = low;
            _durableEnd = Math.Min(_durableEnd, low);
        }

        return low;
    }

    private void NoteEnd(long number)
    {
        lock (_gate)
        {
            _end = Math.Max(_end, number);
        }
    }

    private void MakeDurable(long number)
    {
        long from;
        lock (_gate)
        {
            from = _durableEnd;
        }

        if (number <= from)
        {
            return;
        }

        for (var directory = from / SlotsInDirectory; directory <= number / SlotsInDirectory; directory++)
        {
            var path = DirectoryOf(directory * SlotsInDirectory);
            files.MakeDirectory(path);
            files.FlushDirectory(path);
        }

        lock (_gate)
        {
            _durableEnd = Math.Max(_durableEnd, number);
        }
    }

    private void WriteHints(CloudEntry[] entries, long number)
    {
        foreach (var entry in entries)
        {
            var path = HintPathOf(entry.Id);

            // An older hint is as good: the entry is searched for from there on. One that names a later slot is of a
            // feed that was rolled back.
            if (!files.Exists(path))
            {
                files.MakeDirectory(Path.GetDirectoryName(path)!);
                files.TryCreate(path, FeedHint.Encode(new FeedHint(number, 0)));
            }
            else if (ReadHint(path) is { } hint && hint.Slot > number)
            {
                files.Replace(path, FeedHint.Encode(new FeedHint(number, 0)));
            }
        }
    }

    private void WriteEnds(FeedSlot slot)
    {
        try
        {
            files.ReplaceHint(
                EndPathOf(slot.Page), FeedHint.Encode(new FeedHint(slot.Number, slot.Last.Value)));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The append is done. Without these files the next one searches longer, and readers look by themselves.
        }
    }

    private FeedHint? ReadHint(string path) =>
        files.ReadOrNull(path, FeedHint.SizeBytes) is { } content ? FeedHint.DecodeOrNull(content) : null;

    private FeedSlot? Read(long number) =>
        files.ReadOrNull(PathOf(number), FeedSlot.SizeBytesMax) is { } content
            ? FeedSlot.DecodeOrDamaged(number, content)
            : null;

    private string DirectoryOf(long number) =>
        Path.Combine(_path, "slots", (number / SlotsInDirectory).ToString("x12", CultureInfo.InvariantCulture));

    private string PathOf(long number) =>
        Path.Combine(DirectoryOf(number), number.ToString("x16", CultureInfo.InvariantCulture));

    private string EndPathOf(PageName page) => Path.Combine(EndsPath, page.ToString());

    private string DevicePathOf(DeviceId device) => Path.Combine(_path, "devices", device.ToString());

    private string HintPathOf(EntryId entry) => Path.Combine(_path, "ids", entry.ToString()[..3], entry.ToString());
}
