using System.Runtime.InteropServices;
using Ledger.Runtime;

namespace Ledger.Objects;

/// <summary>Builds the indexes of a large value from its chunks as they come; holds one open index a level.</summary>
/// <param name="objects">Where closed indexes are put.</param>
internal sealed class ValueIndexBuilder(IObjectWriter objects)
{
    /// <summary>Children of the open index of each level, beginning with level 1.</summary>
    private readonly List<List<ValueChild>> _levels = [];

    private readonly ByteWriter _encoding = new(32 * 1024);

    /// <summary>Adds the next chunk.</summary>
    public ValueTask AddAsync(ValueChild chunk, CancellationToken cancellationToken) =>
        AddAsync(level: 1, chunk, cancellationToken);

    /// <summary>Closes what is open; at least one chunk was added.</summary>
    /// <returns>The root.</returns>
    public async ValueTask<ObjectId> FinishAsync(CancellationToken cancellationToken)
    {
        for (var level = 1; ; level++)
        {
            var open = _levels[level - 1];
            if (level < _levels.Count)
            {
                if (open.Count > 0)
                {
                    await AddAsync(level + 1, await CloseAsync(level, cancellationToken), cancellationToken);
                }
            }
            else
            {
                // An index that is alone on its level is the root: nothing above it would say more.
                return level > 1 && open.Count == 1
                    ? open[0].Id
                    : (await CloseAsync(level, cancellationToken)).Id;
            }
        }
    }

    private async ValueTask AddAsync(int level, ValueChild child, CancellationToken cancellationToken)
    {
        for (; ; level++)
        {
            if (level > _levels.Count)
            {
                Invariant.Check(level <= ValueFormat.IndexLevelMax);
                _levels.Add([]);
            }

            var open = _levels[level - 1];
            open.Add(child);
            if (!ValueFormat.IsClosed(open.Count, child.Id))
            {
                return;
            }

            child = await CloseAsync(level, cancellationToken);
        }
    }

    private async ValueTask<ValueChild> CloseAsync(int level, CancellationToken cancellationToken)
    {
        var open = _levels[level - 1];
        _encoding.Clear();
        ValueIndex.Encode(_encoding, level, CollectionsMarshal.AsSpan(open));
        long sizeBytes = 0;
        foreach (var child in open)
        {
            sizeBytes += child.SizeBytes;
        }

        open.Clear();
        return new ValueChild(
            await objects.PutAsync(ObjectKind.ValueIndex, _encoding.WrittenMemory, cancellationToken), sizeBytes);
    }
}
