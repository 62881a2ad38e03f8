using Ledger.Pages.Merging;

namespace Ledger.Simulation.Workload;

/// <summary>A resolver whose answer follows from what it is shown, and that is slow or fails at times.</summary>
internal sealed class Resolver(Session session) : IConflictResolver
{
    public string Name => "simulated";

    public async Task ResolveAsync(MergeContext context, CancellationToken cancellationToken)
    {
        var random = session.Random;
        if (!session.Run.IsHealing)
        {
            switch (random.Next(8))
            {
                case 0:
                    throw new ResolverFailure("The resolver fails.");
                case 1:
                    await session.Runtime.Delay(TimeSpan.FromSeconds(random.Next(10)), cancellationToken);
                    break;
                default:
                    break;
            }
        }

        await foreach (var entry in context.GetConflictingDiffAsync(cancellationToken))
        {
            // The one with the smaller value; an absent one is the smallest. Who is left is nothing.
            var left = entry.Left?.Value is { } l ? Model.Write.IdOf(l.Span) : 0;
            var right = entry.Right?.Value is { } r ? Model.Write.IdOf(r.Span) : 0;
            if (left < right)
            {
                await context.TakeLeftAsync(entry.Key, cancellationToken);
            }
            else
            {
                await context.TakeRightAsync(entry.Key, cancellationToken);
            }
        }
    }
}

/// <summary>A resolver failed on purpose.</summary>
internal sealed class ResolverFailure(string message) : InvalidOperationException(message);
