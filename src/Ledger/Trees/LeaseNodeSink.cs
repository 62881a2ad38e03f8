using Ledger.Objects;

namespace Ledger.Trees;

/// <summary>Writes nodes through a lease at once.</summary>
/// <param name="writer">The lease.</param>
/// <param name="cache">Keeps the nodes too.</param>
internal sealed class LeaseNodeSink(IObjectWriter writer, NodeCache cache) : INodeSink
{
    /// <inheritdoc/>
    public async ValueTask AddAsync(ObjectId id, Node node, CancellationToken cancellationToken)
    {
        await writer.PutAsync(ObjectKind.Node, id, node.Content, cancellationToken);
        cache.Add(id, node);
    }
}
