namespace Ledger.Conformance;

/// <summary>A file of the modelled disk: what is on it for sure, what programs see, and what lies between.</summary>
internal sealed class FaultyContent
{
    private readonly List<PendingChange> _pending = [];
    private SparseBytes _durable;

    // True once a flush has failed: the cache shows bytes that were dropped and that no later flush will write.
    private bool _isDiverged;

    /// <summary>A new and empty file.</summary>
    public FaultyContent()
        : this(new SparseBytes())
    {
    }

    /// <summary>A file whose content is on the disk.</summary>
    public FaultyContent(SparseBytes durable)
    {
        _durable = durable;
        Current = durable.Clone();
        ReservedLength = durable.Length;
    }

    private FaultyContent(FaultyContent other)
    {
        (_durable, Current) = (other._durable.Clone(), other.Current.Clone());
        (ReservedLength, _isDiverged) = (other.ReservedLength, other._isDiverged);
        _pending.AddRange(other._pending);
    }

    /// <summary>What programs see.</summary>
    public SparseBytes Current { get; }

    /// <summary>Writes below this length need no room.</summary>
    public long ReservedLength { get; private set; }

    /// <summary>Open handles.</summary>
    public int Handles { get; set; }

    /// <summary>True while someone holds the lock.</summary>
    public bool IsLocked { get; set; }

    /// <summary>A copy with what is on its way to the disk, and with nothing open or locked.</summary>
    public FaultyContent Clone() => new(this);

    /// <summary>Writes to the cache.</summary>
    public void Write(long offset, ReadOnlySpan<byte> content)
    {
        Current.Write(offset, content);
        var first = SparseBytes.SectorOf(offset);
        var sectors = new byte[]?[SparseBytes.SectorOf(offset + content.Length - 1) - first + 1];
        for (var i = 0; i < sectors.Length; i++)
        {
            sectors[i] = Current.Sector(first + i);
        }

        ReservedLength = Math.Max(ReservedLength, offset + content.Length);
        _pending.Add(new PendingChange(first, sectors, offset + content.Length));
    }

    /// <summary>Sets the length in the cache.</summary>
    public void SetLength(long length)
    {
        ReservedLength = Math.Min(ReservedLength, length);
        Current.SetLength(length);
        _pending.Add(new PendingChange(0, null, length));
    }

    /// <summary>Reserves room, and grows the length in the cache.</summary>
    public void Preallocate(long length)
    {
        ReservedLength = Math.Max(ReservedLength, length);
        if (length > Current.Length)
        {
            Current.SetLength(length);
            _pending.Add(new PendingChange(0, [], length));
        }
    }

    /// <summary>Brings the cache to the disk.</summary>
    public void Flush()
    {
        // In place: a copy for every flush is most of what a long file costs.
        _pending.ForEach(change => change.Apply(_durable));
        _pending.Clear();
    }

    /// <summary>Brings some of the cache to the disk and goes on as if all of it were there, as Linux does.</summary>
    public void FailFlush(Random random)
    {
        _durable = KeepSome(random);
        _pending.Clear();
        _isDiverged = true;
    }

    /// <summary>Brings some of the cache to the disk, and dies.</summary>
    public void FlushPart(Random random) => _durable = KeepSome(random);

    /// <summary>Damages a bit, on the disk and in the cache.</summary>
    public void FlipBit(long bitIndex)
    {
        Flip(_durable);
        Flip(Current);

        void Flip(SparseBytes bytes)
        {
            Span<byte> one = stackalloc byte[1];
            if (bytes.Read(bitIndex / 8, one) == 1)
            {
                one[0] ^= (byte)(1 << (int)(bitIndex % 8));
                bytes.Write(bitIndex / 8, one);
            }
        }
    }

    /// <summary>The file as the next life finds it.</summary>
    /// <param name="loss">What is lost.</param>
    /// <param name="isLastWritten">True for the one file that a torn write can be in.</param>
    /// <param name="random">Decides what the loss leaves open.</param>
    public SparseBytes After(CrashLoss loss, bool isLastWritten, Random random) => loss switch
    {
        CrashLoss.KeepAll => Current.Clone(),
        CrashLoss.LoseAll or CrashLoss.LoseContents => _durable.Clone(),
        CrashLoss.LoseNames => KeepPending(),
        CrashLoss.RandomSubset => KeepSome(random),
        CrashLoss.Torn => isLastWritten ? KeepTorn(random) : KeepPending(),
        _ => throw new ArgumentOutOfRangeException(nameof(loss)),
    };

    private SparseBytes KeepPending()
    {
        if (!_isDiverged)
        {
            return Current.Clone();
        }

        var image = _durable.Clone();
        _pending.ForEach(change => change.Apply(image));
        return image;
    }

    private SparseBytes KeepSome(Random random)
    {
        var image = _durable.Clone();
        var length = image.Length;
        foreach (var change in _pending)
        {
            // Coins for each sector alone would all but never lose or keep a whole operation.
            var share = random.Next(3) * 0.5;
            change.ApplySome(image, ref length, share, random);
        }

        image.CutBeyond(length);
        return image;
    }

    private SparseBytes KeepTorn(Random random)
    {
        var last = _pending.FindLastIndex(change => change.IsWrite);
        if (last < 0)
        {
            return KeepPending();
        }

        var image = _durable.Clone();
        for (var i = 0; i < _pending.Count; i++)
        {
            if (i == last)
            {
                _pending[i].ApplyPrefix(image, random);
            }
            else
            {
                _pending[i].Apply(image);
            }
        }

        return image;
    }

    /// <summary>A change in the cache that is not on the disk.</summary>
    /// <param name="FirstSector">The first sector written.</param>
    /// <param name="Sectors">The sectors as they were after the write; none when only the length grew; null when the
    /// length was set, which also cuts.</param>
    /// <param name="Length">The length that the file had at least, or, when it was set, exactly.</param>
    private readonly record struct PendingChange(int FirstSector, byte[]?[]? Sectors, long Length)
    {
        public bool IsWrite => Sectors is { Length: > 0 };

        public void Apply(SparseBytes image)
        {
            for (var i = 0; i < (Sectors?.Length ?? 0); i++)
            {
                image.SetSector(FirstSector + i, Sectors![i]);
            }

            image.SetLength(Sectors is null ? Length : Math.Max(image.Length, Length));
        }

        public void ApplySome(SparseBytes image, ref long length, double share, Random random)
        {
            if (Sectors is null)
            {
                if (random.NextDouble() < share)
                {
                    image.CutBeyond(Length);
                    length = Length;
                }

                return;
            }

            for (var i = 0; i < Sectors.Length; i++)
            {
                if (random.NextDouble() < share)
                {
                    image.SetSector(FirstSector + i, Sectors[i]);
                }
            }

            if (Length > length && random.NextDouble() < share)
            {
                length = Length;
            }
        }

        public void ApplyPrefix(SparseBytes image, Random random)
        {
            var kept = random.Next(Sectors!.Length);
            for (var i = 0; i < kept; i++)
            {
                image.SetSector(FirstSector + i, Sectors[i]);
            }

            var end = (long)(FirstSector + kept) * SparseBytes.SectorSize;
            image.SetLength(Math.Max(image.Length, random.Next(2) == 0 ? Length : Math.Min(Length, end)));
        }
    }
}
