using System.Collections.Concurrent;

namespace Ledger.Streams.Postgres;

/// <summary>Names of streams that were read before, by the streams' keys.</summary>
/// <remarks>
/// They hold for one mark of the store's renames. Each rename replaces the mark by a random one in its own transaction,
/// and renames take turns at its row: whoever sees a mark sees the renames up to that one and none that came later. So
/// the name that was read of a stream together with a mark is its name wherever that mark is seen. A stream never
/// changes its key, and no key is used twice.
/// </remarks>
internal sealed class PostgresNames
{
    /// <summary>Names kept; with more it begins anew, and those in use come back with one more question.</summary>
    private const int NamesMax = 1 << 16;

    /// <summary>Characters of all names kept.</summary>
    private const int CharactersMax = 1 << 22;

    private volatile Known _known = new(-1);

    /// <summary>What is known of a mark; nothing at first.</summary>
    public Known At(long mark)
    {
        var known = _known;
        if (known.Mark != mark)
        {
            known = new Known(mark);
            _known = known;
        }

        return known;
    }

    /// <summary>Keeps the name of a stream; what was kept before of another mark is forgotten.</summary>
    public void Add(long mark, long key, string name)
    {
        if (!At(mark).TryAdd(key, name))
        {
            _known = new Known(mark);
        }
    }

    /// <summary>Names under one mark.</summary>
    internal sealed class Known(long mark)
    {
        private readonly ConcurrentDictionary<long, string> _names = new();
        private int _count;
        private int _characters;

        public long Mark { get; } = mark;

        /// <summary>The name; null when it is not known.</summary>
        public string? Find(long key) => _names.GetValueOrDefault(key);

        /// <summary>False when there is no room.</summary>
        public bool TryAdd(long key, string name)
        {
            if (!_names.TryAdd(key, name))
            {
                return true;
            }

            return Interlocked.Increment(ref _count) <= NamesMax
                && Interlocked.Add(ref _characters, name.Length) <= CharactersMax;
        }
    }
}
