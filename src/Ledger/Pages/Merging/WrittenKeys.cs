using Ledger.Commits;

namespace Ledger.Pages.Merging;

/// <summary>The keys of the edits in one merge, read once each. Safe for concurrent use.</summary>
/// <remarks>
/// A resolver asks for every key who has written it: without this, the list of each commit would be read for each key.
/// </remarks>
/// <param name="services">The ledger's.</param>
/// <param name="writes">Finds the lists.</param>
internal sealed class WrittenKeys(LedgerServices services, CommitWrites writes)
{
    /// <summary>Memory that the keys take at most; of edits beyond it the answer is always "perhaps".</summary>
    public const long SizeBytesMax = 16L << 20;

    private const int KeyOverheadBytes = 48;

    private readonly Lock _gate = new();

    // Sorted; null where they are not known.
    private readonly Dictionary<CommitId, ReadOnlyMemory<byte>[]?> _keys = [];
    private long _sizeBytes;

    /// <summary>False when a commit has surely not written a key.</summary>
    public async ValueTask<bool> MayContainAsync(
        Commit commit, ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        bool isKnown;
        ReadOnlyMemory<byte>[]? keys;
        lock (_gate)
        {
            isKnown = _keys.TryGetValue(commit.Id, out keys);
        }

        if (!isKnown)
        {
            keys = await ReadAsync(commit, cancellationToken);
            lock (_gate)
            {
                _keys[commit.Id] = keys;
            }
        }

        return keys is null || Array.BinarySearch(keys, key, KeyComparer.Instance) >= 0;
    }

    private async ValueTask<ReadOnlyMemory<byte>[]?> ReadAsync(Commit commit, CancellationToken cancellationToken)
    {
        if (await writes.FindListAsync(commit, cancellationToken) is not { } list || !TryTake(0))
        {
            return null;
        }

        var keys = new List<ReadOnlyMemory<byte>>();
        await foreach (var (key, _) in services.Changes.ReadAsync(list, default, cancellationToken))
        {
            if (!TryTake(KeyOverheadBytes + key.Length))
            {
                return null;
            }

            keys.Add(key.ToArray());
        }

        return [.. keys];
    }

    private bool TryTake(int sizeBytes)
    {
        lock (_gate)
        {
            _sizeBytes += sizeBytes;
            return _sizeBytes <= SizeBytesMax;
        }
    }
}
