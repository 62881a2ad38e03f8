using Ledger.Objects;

namespace Ledger.Trees;

/// <summary>Takes the nodes that edits make.</summary>
internal interface INodeSink
{
    /// <summary>Takes a node; from then on the edit's reader finds it.</summary>
    /// <remarks>Each node comes before the one above it. Completes at once unless memory has to be freed.</remarks>
    /// <param name="id">Hash of the node's bytes.</param>
    /// <param name="node">A node that is not the empty one; it may be one that is here already.</param>
    /// <param name="cancellationToken">Cancels the wait for memory.</param>
    ValueTask AddAsync(ObjectId id, Node node, CancellationToken cancellationToken);
}
