using Ledger.Pages.Merging;

namespace Ledger.Conformance;

/// <summary>A resolver that does what a test says, and counts how often it was asked.</summary>
public sealed class TestResolver(Func<MergeContext, CancellationToken, Task> resolveAsync, string name = "test")
    : IConflictResolver
{
    private int _calls;

    /// <summary>How often it was asked.</summary>
    public int Calls => Volatile.Read(ref _calls);

    public string Name { get; } = name;

    /// <summary>Completes when it is asked for the first time.</summary>
    public TaskCompletionSource Asked { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>A resolver that never answers, and goes when it is told to.</summary>
    public static TestResolver Silent() => new(async (_, token) =>
    {
        var end = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = token.UnsafeRegister(_ => end.TrySetCanceled(token), null);
        await end.Task;
    });

    /// <summary>A resolver that fails so many times and then decides nothing.</summary>
    public static TestResolver FailingTimes(int count)
    {
        var left = count;
        return new((_, _) => left-- > 0
            ? throw new InvalidOperationException("The resolver of this test fails.")
            : Task.CompletedTask);
    }

    public Task ResolveAsync(MergeContext context, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _calls);
        Asked.TrySetResult();
        return resolveAsync(context, cancellationToken);
    }
}
