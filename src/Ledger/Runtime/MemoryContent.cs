namespace Ledger.Runtime;

/// <summary>The room of a memory file system, in blocks. Safe from any thread.</summary>
/// <param name="capacityBlocks">Blocks that may be taken at most.</param>
internal sealed class MemorySpace(long capacityBlocks)
{
    /// <summary>Bytes per block.</summary>
    public const int BlockSizeBytes = 4096;

    private long _usedBlocks;

    /// <summary>Stands for a reserved block that was never written; never written to.</summary>
    public byte[] ZeroBlock { get; } = new byte[BlockSizeBytes];

    /// <summary>Bytes taken.</summary>
    public long UsedBytes => Interlocked.Read(ref _usedBlocks) * BlockSizeBytes;

    /// <summary>Takes all of the blocks, or none and gives false.</summary>
    public bool TryTake(long blocks)
    {
        if (Interlocked.Add(ref _usedBlocks, blocks) <= capacityBlocks)
        {
            return true;
        }

        GiveBack(blocks);
        return false;
    }

    /// <summary>Gives blocks back.</summary>
    public void GiveBack(long blocks) => Interlocked.Add(ref _usedBlocks, -blocks);
}

/// <summary>The contents of a file in memory, shared by its handles and its name. Safe from any thread.</summary>
/// <param name="space">Where its blocks are counted.</param>
internal sealed class MemoryContent(MemorySpace space)
{
    private const int BlockSize = MemorySpace.BlockSizeBytes;

    private readonly Lock _gate = new();

    // A null block is a hole that takes no room; the space's zero block is one that is reserved and unwritten. Every
    // block's bytes at or after the length are zero.
    private byte[]?[] _blocks = [];
    private long _length;
    private int _handles;
    private bool _isUnlinked;
    private bool _isLocked;

    /// <summary>Length in bytes.</summary>
    public long Length
    {
        get
        {
            lock (_gate)
            {
                return _length;
            }
        }
    }

    /// <summary>True while someone holds the lock.</summary>
    public bool IsLocked
    {
        get
        {
            lock (_gate)
            {
                return _isLocked;
            }
        }
    }

    /// <summary>Takes the lock, unless it is held or the file is open.</summary>
    public bool TryLock()
    {
        lock (_gate)
        {
            if (_isLocked || _handles > 0)
            {
                return false;
            }

            _isLocked = true;
            return true;
        }
    }

    /// <summary>Gives the lock back.</summary>
    public void Unlock()
    {
        lock (_gate)
        {
            _isLocked = false;
        }
    }

    /// <summary>Counts a handle.</summary>
    public void AddHandle()
    {
        lock (_gate)
        {
            _handles++;
        }
    }

    /// <summary>Counts a handle less; the last one of a file without a name gives its room back.</summary>
    public void RemoveHandle()
    {
        lock (_gate)
        {
            _handles--;
            FreeIfUnreachable();
        }
    }

    /// <summary>Says that no name leads here any more.</summary>
    public void Unlink()
    {
        lock (_gate)
        {
            _isUnlinked = true;
            FreeIfUnreachable();
        }
    }

    /// <inheritdoc cref="IFile.Read"/>
    public int Read(long offset, Span<byte> buffer)
    {
        lock (_gate)
        {
            var count = (int)Math.Clamp(_length - offset, 0, buffer.Length);
            for (var done = 0; done < count;)
            {
                var (index, start) = Split(offset + done);
                var part = buffer[done..count];
                part = part[..Math.Min(part.Length, BlockSize - start)];
                if (index < _blocks.Length && _blocks[index] is { } block)
                {
                    block.AsSpan(start, part.Length).CopyTo(part);
                }
                else
                {
                    part.Clear();
                }

                done += part.Length;
            }

            return count;
        }
    }

    /// <inheritdoc cref="IFile.Write"/>
    public void Write(long offset, ReadOnlySpan<byte> content, string path)
    {
        lock (_gate)
        {
            while (content.Length > 0)
            {
                var (index, start) = Split(offset);
                var part = content[..Math.Min(content.Length, BlockSize - start)];
                part.CopyTo(WritableBlock(index, path).AsSpan(start));
                offset += part.Length;
                _length = Math.Max(_length, offset);
                content = content[part.Length..];
            }
        }
    }

    /// <inheritdoc cref="IFile.SetLength"/>
    public void SetLength(long length)
    {
        lock (_gate)
        {
            if (length < _length)
            {
                var (index, start) = Split(length);
                var kept = start == 0 ? index : index + 1;
                Free(from: kept);
                if (kept > index && index < _blocks.Length && _blocks[index] is { } last && last != space.ZeroBlock)
                {
                    last.AsSpan(start).Clear();
                }
            }

            _length = length;
        }
    }

    /// <inheritdoc cref="IFile.Preallocate"/>
    public void Preallocate(long length, string path)
    {
        lock (_gate)
        {
            var count = Split(length + BlockSize - 1).Index;
            EnsureBlocks(count);
            if (!space.TryTake(_blocks.AsSpan(0, count).Count(default(byte[]))))
            {
                throw new DiskFullException(path);
            }

            for (var index = 0; index < count; index++)
            {
                _blocks[index] ??= space.ZeroBlock;
            }

            _length = Math.Max(_length, length);
        }
    }

    private static (int Index, int Start) Split(long offset) =>
        (checked((int)(offset / BlockSize)), (int)(offset % BlockSize));

    private byte[] WritableBlock(int index, string path)
    {
        EnsureBlocks(index + 1);
        if (_blocks[index] is null && !space.TryTake(1))
        {
            throw new DiskFullException(path);
        }

        if (_blocks[index] is not { } block || block == space.ZeroBlock)
        {
            block = new byte[BlockSize];
            _blocks[index] = block;
        }

        return block;
    }

    private void EnsureBlocks(int count)
    {
        if (_blocks.Length < count)
        {
            Array.Resize(ref _blocks, Math.Max(count, Math.Min(2 * _blocks.Length, Array.MaxLength)));
        }
    }

    private void FreeIfUnreachable()
    {
        if (_isUnlinked && _handles == 0)
        {
            Free(from: 0);
        }
    }

    private void Free(int from)
    {
        var freed = 0;
        for (var index = from; index < _blocks.Length; index++)
        {
            if (_blocks[index] is not null)
            {
                _blocks[index] = null;
                freed++;
            }
        }

        space.GiveBack(freed);
    }
}
