using Ledger.Streams;

namespace Ledger.Server.Services;

/// <summary>How many entries of a store are read at once, so that large ones do not fill the memory.</summary>
/// <remarks>
/// A guess from what was read before: entries of one store resemble each other. Races only blur it. The bound is the
/// store's (<see cref="StreamStore.PageBytesMax"/>); this spares the database what would lie behind it.
/// </remarks>
internal sealed class ReadPace
{
    private const int AtOnceBytesMax = StreamStore.PageBytesMax;
    private const int AtOnceMax = 500;
    private const long FirstGuessBytes = AtOnceBytesMax / AtOnceMax;

    private long _entryBytes = FirstGuessBytes;

    /// <summary>Entries to read now, 1 or more.</summary>
    public int EntriesNow => (int)Math.Clamp(AtOnceBytesMax / Volatile.Read(ref _entryBytes), 1, AtOnceMax);

    /// <summary>Learns from all that was read, whether or not it fitted into an answer.</summary>
    public void Learn(IReadOnlyList<Entry> entries)
    {
        if (entries.Count > 0)
        {
            var before = Volatile.Read(ref _entryBytes);
            var now = Math.Max(1, entries.Sum(entry => (long)entry.Payload.Length) / entries.Count);

            // Growth counts at once, shrinking slowly.
            Volatile.Write(ref _entryBytes, now > before ? now : Math.Max(FirstGuessBytes, (before + now) / 2));
        }
    }
}
