using Ledger.Commits;

namespace Ledger.Sync;

/// <summary>Follows each device's entries, of which each names the one before.</summary>
/// <param name="known">What was seen so far.</param>
/// <param name="nowMs">The wall clock.</param>
/// <param name="isOff">A planted fault: nothing is compared.</param>
internal sealed class ChainTracker(IReadOnlyDictionary<DeviceId, ChainRow> known, long nowMs, bool isOff)
{
    private readonly Dictionary<DeviceId, ChainRow> _changed = [];

    /// <summary>What is to be stored.</summary>
    public IReadOnlyDictionary<DeviceId, ChainRow> Changed => _changed;

    /// <summary>Takes an entry that was opened into account.</summary>
    /// <param name="header">What was authenticated with it.</param>
    /// <param name="hash">Its hash.</param>
    public void Add(EntryHeader header, UInt128 hash)
    {
        if (isOff)
        {
            return;
        }

        var chain = _changed.GetValueOrDefault(header.Device) ?? known.GetValueOrDefault(header.Device) ??
            new ChainRow(-1, default, nowMs, IsForked: false, []);
        var changed = header.Sequence > chain.Last ? Extend(chain, header, hash) : Compare(chain, header, hash);
        if (changed != chain)
        {
            _changed[header.Device] = changed with { HeardMs = nowMs };
        }
    }

    private static ChainRow Extend(ChainRow chain, EntryHeader header, UInt128 hash) =>
        header.Sequence == chain.Last + 1
            ? chain with
            {
                Last = header.Sequence,
                Hash = hash,
                IsForked = chain.IsForked || header.Previous != chain.Hash,
            }
            : chain with
            {
                Last = header.Sequence,
                Hash = hash,
                Gaps =
                [
                    .. chain.Gaps.TakeLast(ChainRow.GapsMax - 1),
                    new ChainGap(chain.Last + 1, header.Sequence - 1, header.Previous),
                ],
            };

    /// <summary>
    /// An entry that is not newer than the last: one that was missing, one that came before, or a fork.
    /// </summary>
    private static ChainRow Compare(ChainRow chain, EntryHeader header, UInt128 hash)
    {
        if (header.Sequence == chain.Last)
        {
            return hash == chain.Hash ? chain : chain with { IsForked = true };
        }

        var index = chain.Gaps.ToList().FindIndex(
            gap => gap.First <= header.Sequence && header.Sequence <= gap.Last);
        return index < 0
            ? chain
            : chain with
            {
                IsForked = chain.IsForked ||
                    (header.Sequence == chain.Gaps[index].Last && chain.Gaps[index].HashOfLast != hash),
                Gaps = Fill(chain.Gaps, chain.Gaps[index], header),
            };
    }

    private static List<ChainGap> Fill(IReadOnlyList<ChainGap> gaps, ChainGap gap, EntryHeader header)
    {
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
}
