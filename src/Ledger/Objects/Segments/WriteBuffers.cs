namespace Ledger.Objects.Segments;

/// <summary>Buffers for what leases write, used again and again. Safe for concurrent use.</summary>
/// <remarks>A lease writes a megabyte at a time: as new arrays those are the large objects of the process.</remarks>
internal sealed class WriteBuffers
{
    /// <summary>Buffers kept while nobody uses them.</summary>
    private const int KeptMax = 4;

    /// <summary>A larger one, of an unusual record, is let go.</summary>
    private const int KeptSizeBytesMax = 4 * 1024 * 1024;

    private readonly Stack<ByteWriter> _free = new();
    private readonly Lock _lock = new();

    /// <summary>An empty buffer of one's own.</summary>
    public ByteWriter Rent()
    {
        lock (_lock)
        {
            return _free.TryPop(out var buffer) ? buffer : new ByteWriter(0);
        }
    }

    /// <summary>Gives back a buffer that nobody has a view of.</summary>
    public void Return(ByteWriter buffer)
    {
        buffer.Clear();
        if (buffer.CapacityBytes > KeptSizeBytesMax)
        {
            return;
        }

        lock (_lock)
        {
            if (_free.Count < KeptMax)
            {
                _free.Push(buffer);
            }
        }
    }
}
