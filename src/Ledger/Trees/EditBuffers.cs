using Ledger.Objects;
using Ledger.Runtime;

namespace Ledger.Trees;

/// <summary>What an edit works with, level by level: a small one would otherwise be mostly its buffers.</summary>
/// <remarks>For one edit at a time; <see cref="EditBufferPool"/> hands it to the next one.</remarks>
/// <param name="salt">The ledger's salt.</param>
internal sealed class EditBuffers(TreeSalt salt)
{
    private readonly List<LevelBuffers> _levels = [];

    /// <summary>Takes the key of the change before.</summary>
    public byte[] PreviousKey { get; } = new byte[TreeProfile.KeySizeBytesMax];

    /// <summary>Those of a level, whose builder is empty; the levels below it were asked for before.</summary>
    public LevelBuffers Of(int level)
    {
        Invariant.Check(level <= _levels.Count);
        if (level == _levels.Count)
        {
            _levels.Add(new LevelBuffers(level, salt));
        }

        _levels[level].Builder.Clear();
        return _levels[level];
    }
}

/// <summary>What an edit works with on one level.</summary>
/// <param name="level">The level.</param>
/// <param name="salt">The ledger's salt.</param>
internal sealed class LevelBuffers(int level, TreeSalt salt)
{
    /// <summary>Collects the entries of the next node.</summary>
    public NodeBuilder Builder { get; } = new(level, salt);

    /// <summary>Takes a key.</summary>
    public byte[] Key { get; } = new byte[TreeProfile.KeySizeBytesMax];

    /// <summary>Takes what follows the key in an entry.</summary>
    public ByteWriter Tail { get; } = new(0);

    /// <summary>Takes the ids of nodes that are hashed together.</summary>
    public ObjectId[] Ids { get; set; } = [];
}

/// <summary>Keeps the buffers of ended edits for the next ones. Safe for concurrent use.</summary>
/// <param name="salt">The ledger's salt.</param>
internal sealed class EditBufferPool(TreeSalt salt)
{
    private const int KeptMax = 4;

    private readonly Stack<EditBuffers> _free = new();
    private readonly Lock _lock = new();

    /// <summary>Buffers of one's own.</summary>
    public EditBuffers Rent()
    {
        lock (_lock)
        {
            return _free.TryPop(out var buffers) ? buffers : new EditBuffers(salt);
        }
    }

    /// <summary>Gives back the buffers of an edit that has ended well; those of others are let go.</summary>
    public void Return(EditBuffers buffers)
    {
        lock (_lock)
        {
            if (_free.Count < KeptMax)
            {
                _free.Push(buffers);
            }
        }
    }
}
