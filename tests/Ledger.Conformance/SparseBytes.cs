namespace Ledger.Conformance;

/// <summary>The bytes of a file in sectors of 512, cheap to copy: copies share sectors, which never change.</summary>
internal sealed class SparseBytes
{
    /// <summary>Bytes per sector: what a disk writes wholly or not at all.</summary>
    public const int SectorSize = 512;

    // A null sector, and everything at or after the length, is zero.
    private byte[]?[] _sectors = [];

    /// <summary>Length in bytes.</summary>
    public long Length { get; private set; }

    /// <summary>Sectors up to the length.</summary>
    public int SectorCount => SectorOf(Length + SectorSize - 1);

    /// <summary>The sector that a byte is in.</summary>
    public static int SectorOf(long offset) => checked((int)(offset / SectorSize));

    /// <summary>A copy that changes on its own.</summary>
    public SparseBytes Clone() => new() { _sectors = (byte[]?[])_sectors.Clone(), Length = Length };

    /// <summary>Copies at most the buffer's length out, and returns how much that was.</summary>
    public int Read(long offset, Span<byte> buffer)
    {
        var count = (int)Math.Clamp(Length - offset, 0, buffer.Length);
        for (var done = 0; done < count;)
        {
            var start = (int)((offset + done) % SectorSize);
            var part = buffer[done..count];
            part = part[..Math.Min(part.Length, SectorSize - start)];
            if (Sector(SectorOf(offset + done)) is { } sector)
            {
                sector.AsSpan(start, part.Length).CopyTo(part);
            }
            else
            {
                part.Clear();
            }

            done += part.Length;
        }

        return count;
    }

    /// <summary>Puts bytes in, growing the length when needed.</summary>
    public void Write(long offset, ReadOnlySpan<byte> content)
    {
        while (content.Length > 0)
        {
            var start = (int)(offset % SectorSize);
            var part = content[..Math.Min(content.Length, SectorSize - start)];
            var sector = new byte[SectorSize];
            Sector(SectorOf(offset))?.CopyTo(sector, 0);
            part.CopyTo(sector.AsSpan(start));
            SetSector(SectorOf(offset), sector);
            offset += part.Length;
            content = content[part.Length..];
            Length = Math.Max(Length, offset);
        }
    }

    /// <summary>Cuts, or grows with zeros.</summary>
    public void SetLength(long length)
    {
        if (length < Length)
        {
            var kept = SectorOf(length + SectorSize - 1);
            if (kept < _sectors.Length)
            {
                Array.Clear(_sectors, kept, _sectors.Length - kept);
            }

            var start = (int)(length % SectorSize);
            if (start > 0 && Sector(kept - 1) is { } last)
            {
                var cut = new byte[SectorSize];
                last.AsSpan(0, start).CopyTo(cut);
                _sectors[kept - 1] = cut;
            }
        }

        Length = length;
    }

    /// <summary>The sector's bytes, never to be changed; null when they are zeros.</summary>
    public byte[]? Sector(int index) => index < _sectors.Length ? _sectors[index] : null;

    /// <summary>Replaces a whole sector, which may lie beyond the length until that is set.</summary>
    public void SetSector(int index, byte[]? sector)
    {
        if (index >= _sectors.Length)
        {
            Array.Resize(ref _sectors, Math.Max(index + 1, 2 * _sectors.Length));
        }

        _sectors[index] = sector;
    }

    /// <summary>Makes everything beyond a length that was not grown zero again.</summary>
    public void CutBeyond(long length)
    {
        Length = long.MaxValue;
        SetLength(length);
    }
}
