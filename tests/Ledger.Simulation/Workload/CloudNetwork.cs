using Ledger.Conformance;
using Ledger.Runtime;
using Ledger.Simulation.Worlds;
using Ledger.Sync;

namespace Ledger.Simulation.Workload;

/// <summary>The cloud of a run, and the network before it: loses, doubles and delays, and is cut at times.</summary>
/// <remarks>
/// What a device asks for is done in the cloud's own life, and the answer travels back; so a device that dies leaves
/// nothing half done in the cloud.
/// </remarks>
internal sealed class CloudNetwork
{
    private readonly Run _run;

    public CloudNetwork(Run run)
    {
        _run = run;
        Random = new Random(run.Random.Next());
        var runtime = new LedgerRuntime(
            run.Supervisor, new LifeClock(run.World, run.Supervisor, static () => TimeSpan.Zero), run.Supervisor,
            new MemoryFileSystem(), new MemoryNetwork());
        Cloud = new MemoryCloud(runtime);
        Attacks = new CloudAttacks(run, this);
    }

    public MemoryCloud Cloud { get; }

    public Random Random { get; }

    /// <summary>What the cloud does that no honest one does.</summary>
    public CloudAttacks Attacks { get; }

    /// <summary>Operations that reached the cloud and could change it.</summary>
    public long Changes { get; set; }

    public CloudTrouble Trouble { get; set; } = CloudTrouble.None;

    /// <summary>Runs something in the cloud and brings its answer back, or does not.</summary>
    public void Send<T>(CloudLink link, bool repeats, Func<ValueTask<T>> work, TaskCompletionSource<T> answer)
    {
        var trouble = Trouble;
        if (link.IsCut || Happens(trouble.Lost))
        {
            FailLater(link, answer, "the request was lost");
            return;
        }

        var isRepeated = repeats && Happens(trouble.Repeated);
        After(_run.Supervisor, Delay(), () => _ = ServeAsync(link, work, answer));
        if (isRepeated)
        {
            var again = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
            After(_run.Supervisor, Delay(), () => _ = ServeAsync(link, work, again));
        }
    }

    public bool Happens(double probability) => probability > 0 && Random.NextDouble() < probability;

    private async Task ServeAsync<T>(CloudLink link, Func<ValueTask<T>> work, TaskCompletionSource<T> answer)
    {
        T result;
        try
        {
            result = await work();
        }
        catch (Exception problem) when (
            problem is LedgerException or OperationCanceledException or ArgumentException or ObjectDisposedException)
        {
            After(link.Life, Delay(), () => answer.TrySetException(problem));
            return;
        }
        catch (ViolationException violation)
        {
            _run.Fail(violation);
            return;
        }

        if (link.IsCut || Happens(Trouble.AnswersLost))
        {
            if (Random.Next(2) == 0)
            {
                // With everything else that is on its way.
                link.Cut(TimeSpan.FromSeconds(30));
            }

            FailLater(link, answer, "the answer was lost");
            return;
        }

        After(link.Life, Delay(), () => answer.TrySetResult(result));
    }

    private void FailLater<T>(CloudLink link, TaskCompletionSource<T> answer, string why)
    {
        // From a millisecond to twenty seconds, evenly by magnitude: a call may give up long before its connection
        // does.
        var patience = TimeSpan.FromMilliseconds(Math.Pow(10, Random.NextDouble() * 4.3));
        After(link.Life, patience, () => answer.TrySetException(
            new CloudUnavailableException(CloudProblem.Unreachable, $"The cloud did not answer: {why}.")));
    }

    private void After(Life life, TimeSpan delay, Action action) =>
        _run.World.PostAfter(delay, new Work(life, null, null, action, null));

    private TimeSpan Delay() => Random.Next(2) == 0
        ? TimeSpan.Zero
        : TimeSpan.FromTicks(Random.NextInt64(Trouble.DelayMax.Ticks + 1));
}

/// <summary>What goes wrong between the devices and the cloud.</summary>
/// <param name="Lost">How likely a request is lost.</param>
/// <param name="AnswersLost">How likely it is done, and its answer is lost.</param>
/// <param name="Repeated">How likely it is done twice.</param>
/// <param name="Broken">How likely a connection breaks at a read.</param>
/// <param name="Doubled">How likely a push comes again.</param>
/// <param name="Reordered">How likely the entries of a push are turned round.</param>
/// <param name="Cut">How likely a call is the last for a while.</param>
/// <param name="DelayMax">The longest way, half have none.</param>
internal sealed record CloudTrouble(
    double Lost, double AnswersLost, double Repeated, double Broken, double Doubled, double Reordered, double Cut,
    TimeSpan DelayMax)
{
    public static CloudTrouble None { get; } = new(0, 0, 0, 0, 0, 0, 0, TimeSpan.FromMilliseconds(50));

    public static CloudTrouble Some { get; } =
        new(0.01, 0.02, 0.02, 0.02, 0.02, 0.05, 0.005, TimeSpan.FromMilliseconds(500));

    public static CloudTrouble Much { get; } =
        new(0.1, 0.1, 0.1, 0.1, 0.2, 0.2, 0.02, TimeSpan.FromSeconds(5));

    public override string ToString() => this == None ? "well" : this == Some ? "with trouble" : "with much trouble";
}
