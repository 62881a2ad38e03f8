using Ledger.Commits;
using Ledger.Simulation.Worlds;
using Ledger.Sync;
using Ledger.Trees;

namespace Ledger.Simulation.Model;

/// <summary>Every entry that any device ever sent, to see that none was made twice in two ways.</summary>
internal sealed class SealedEntries
{
    private const int NonceStart = 19;
    private const int NonceEnd = NonceStart + SyncKeys.NonceSizeBytes;

    private readonly Dictionary<EntryId, CloudEntry> _byId = [];
    private readonly Dictionary<(DeviceId Device, long Sequence), EntryId> _bySequence = [];
    private readonly Dictionary<string, EntryId> _byNonce = new(StringComparer.Ordinal);

    /// <summary>Notes entries on their way to the cloud.</summary>
    public void Add(IReadOnlyList<CloudEntry> entries)
    {
        foreach (var entry in entries)
        {
            if (_byId.TryGetValue(entry.Id, out var known))
            {
                if (!known.Content.Span.SequenceEqual(entry.Content.Span) || known.Sequence != entry.Sequence)
                {
                    throw new ViolationException("R16", $"Entry {entry.Id} was sent with two contents.");
                }

                continue;
            }

            _byId.Add(entry.Id, entry);
            var nonce = Convert.ToHexString(entry.Content.Span[NonceStart..NonceEnd]);
            if (!_byNonce.TryAdd(nonce, entry.Id))
            {
                throw new ViolationException(
                    "R33", $"Entries {_byNonce[nonce]} and {entry.Id} were sealed with one nonce.");
            }
        }
    }

    /// <summary>Whether the cloud has taken entries of a device.</summary>
    public bool HasAccepted(DeviceId device) => _bySequence.ContainsKey((device, 0));

    /// <summary>The values that a batch names, without those of batches in pieces.</summary>
    public static IEnumerable<EntryValue> ListObjects(SyncKeys keys, PageName page, CloudEntry entry)
    {
        var (header, content) = EntrySeal.Open(keys, page, entry);
        return header.Kind == EntryKind.Batch
            ? new BatchReader(entry.Device).Read(content).OfType<BatchItem.Changes>()
                .SelectMany(changes => changes.Items)
                .Where(change => change.Value is { IsInline: false }).Select(change => change.Value!.Value)
            : [];
    }

    /// <summary>The cloud has lost entries, whose numbers may be given again.</summary>
    public void Lose() => _bySequence.Clear();

    /// <summary>Notes that the cloud has entries. One that was refused for good may be followed by another.</summary>
    public void Accept(IReadOnlyList<CloudEntry> entries)
    {
        foreach (var entry in entries)
        {
            var place = (entry.Device, entry.Sequence);
            if (!_bySequence.TryAdd(place, entry.Id) && _bySequence[place] != entry.Id)
            {
                throw new ViolationException(
                    "R16", $"The cloud has {_bySequence[place]} and {entry.Id} as entry {entry.Sequence} of device " +
                    $"{entry.Device}.");
            }
        }
    }
}
