using Ledger.Commits;

namespace Ledger.Sync;

/// <summary>Follows each device's entries, of which each names the one before.</summary>
/// <param name="known">What was seen so far.</param>
/// <param name="isOff">A planted fault: nothing is compared.</param>
internal sealed class ChainTracker(IReadOnlyDictionary<DeviceId, ChainRow> known, bool isOff)
{
    private readonly SortedDictionary<UInt128, ChainRow> _changed = [];

    /// <summary>What is to be stored.</summary>
    public IReadOnlyDictionary<DeviceId, ChainRow> Changed =>
        _changed.ToDictionary(pair => new DeviceId(pair.Key), pair => pair.Value);

    /// <summary>What does not fit together, as full sentences.</summary>
    public List<string> Problems { get; } = [];

    /// <summary>Takes an entry that was opened into account.</summary>
    /// <param name="header">What was authenticated with it.</param>
    /// <param name="hash">Its hash.</param>
    public void Add(EntryHeader header, UInt128 hash)
    {
        if (isOff)
        {
            return;
        }

        var chain = _changed.GetValueOrDefault(header.Device.Value) ?? known.GetValueOrDefault(header.Device);
        var (last, hashOfLast) = chain is null ? (-1L, default(UInt128)) : (chain.Last, chain.Hash);
        var gaps = chain?.Gaps ?? [];
        if (header.Sequence > last)
        {
            if (header.Sequence == last + 1)
            {
                Compare(header, hashOfLast);
            }
            else
            {
                gaps = [.. gaps.TakeLast(ChainRow.GapsMax - 1),
                    new ChainGap(last + 1, header.Sequence - 1, header.Previous)];
            }

            _changed[header.Device.Value] = new ChainRow(header.Sequence, hash, gaps);
            return;
        }

        var gap = gaps.FirstOrDefault(each => each.First <= header.Sequence && header.Sequence <= each.Last);
        if (gap != default)
        {
            _changed[header.Device.Value] = new ChainRow(last, hashOfLast, Fill(gaps, gap, header, hash));
        }
        else if (header.Sequence == last && hash != hashOfLast)
        {
            Problems.Add(
                $"Device {header.Device} has two entries with the number {header.Sequence}: its name is used twice.");
        }
    }

    private List<ChainGap> Fill(
        IReadOnlyList<ChainGap> gaps, ChainGap gap, EntryHeader header, UInt128 hash)
    {
        if (header.Sequence == gap.Last && gap.HashOfLast != hash)
        {
            Problems.Add(
                $"Entry {header.Sequence} of device {header.Device} is not the one that its next entry speaks of.");
        }

        var filled = gaps.Where(each => each != gap).ToList();
        if (gap.First < header.Sequence)
        {
            filled.Add(new ChainGap(gap.First, header.Sequence - 1, header.Previous));
        }

        if (header.Sequence < gap.Last)
        {
            filled.Add(new ChainGap(header.Sequence + 1, gap.Last, gap.HashOfLast));
        }

        return [.. filled.OrderBy(each => each.First).Take(ChainRow.GapsMax)];
    }

    private void Compare(EntryHeader header, UInt128 hashOfLast)
    {
        if (header.Previous != hashOfLast)
        {
            Problems.Add(
                $"Entry {header.Sequence} of device {header.Device} does not follow the one before it that was " +
                "received: the history of the device was forked.");
        }
    }
}
