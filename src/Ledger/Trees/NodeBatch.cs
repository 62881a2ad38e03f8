using Ledger.Objects;

namespace Ledger.Trees;

/// <summary>The nodes that one edit makes: kept until it is disposed of, also before a root names them.</summary>
/// <remarks>For one caller at a time. Before disposing of it, put a hold on the root that has to stay.</remarks>
internal sealed class NodeBatch : INodeSink, IDisposable
{
    private readonly DirtyNodes _dirty;
    private readonly NodeCache _cache;
    private readonly NodeWriteBack _writeBack;

    /// <summary>Begins a batch; <see cref="NodeWriteBack.BeginBatch"/> makes it.</summary>
    public NodeBatch(DirtyNodes dirty, NodeCache cache, NodeWriteBack writeBack)
    {
        (_dirty, _cache, _writeBack) = (dirty, cache, writeBack);
        dirty.Open(this);
    }

    /// <summary>Ids of what was made and is not stored yet; guarded by <see cref="DirtyNodes"/>.</summary>
    public HashSet<ObjectId> Made { get; } = [];

    /// <inheritdoc/>
    public ValueTask AddAsync(ObjectId id, Node node, CancellationToken cancellationToken)
    {
        // The cache has nodes of the store alone: what is there need not be written again.
        if (_cache.TryGet(id, out _))
        {
            return ValueTask.CompletedTask;
        }

        _dirty.Add(this, id, node);
        return _writeBack.IsFull ? _writeBack.MakeRoomAsync(cancellationToken) : ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public void Dispose() => _dirty.Close(this);
}
