using Ledger.Objects;

namespace Ledger.Trees;

/// <summary>Keeps the nodes of one tree at hand until it is disposed of. Safe for concurrent use.</summary>
internal sealed class TreeHold : IDisposable
{
    /// <summary>The hold on a tree that is in the store: there is nothing to protect.</summary>
    public static readonly TreeHold Stored = new(null, null);

    private readonly DirtyNodes? _owner;
    private readonly HeldRoot? _held;
    private bool _isDisposed;

    /// <summary>A holder that <see cref="DirtyNodes"/> has counted.</summary>
    public TreeHold(DirtyNodes? owner, HeldRoot? held) => (_owner, _held) = (owner, held);

    /// <summary>The root; none for <see cref="Stored"/>.</summary>
    public ObjectId Root => _held?.Root ?? default;

    /// <summary>True when the tree is in the store: the hold protects nothing any more.</summary>
    public bool IsStored => _held is not { IsStored: false };

    /// <summary>Lets go. The tree may still be kept by others; idempotent.</summary>
    public void Dispose()
    {
        if (_held is not null && !Interlocked.Exchange(ref _isDisposed, true))
        {
            _owner?.Release(_held);
        }
    }
}
