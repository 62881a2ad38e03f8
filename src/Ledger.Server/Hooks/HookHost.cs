using System.Diagnostics.Metrics;
using Ledger.Runtime;
using Microsoft.Extensions.Logging;

namespace Ledger.Server.Hooks;

/// <summary>Runs a set of hooks, which may be replaced while they run.</summary>
/// <param name="stores">
/// Opens a hook's store, and makes it when it is missing; it stays its owner's, and open until it is given back.
/// </param>
/// <param name="runtime">Clock, randomness and waiting.</param>
/// <param name="log">Where failures are told.</param>
/// <param name="network">How endpoints are reached; the system's way when null.</param>
/// <param name="plan">What all hooks share; the defaults when null.</param>
internal sealed class HookHost(
    Func<string, CancellationToken, ValueTask<HookStore>> stores, LedgerRuntime runtime, ILogger log,
    HookNetwork? network = null, HookPlan? plan = null) : IAsyncDisposable
{
    private readonly HookNetwork _network = network ?? new HookNetwork();
    private readonly HookPlan _plan = plan ?? new HookPlan();
    private readonly AsyncLock _replacing = new();
    private Meter? _gauges;
    private Dictionary<HookOptions, HookLoop> _loops = [];
    private bool _isDisposed;

    /// <summary>How the hooks stand, by name.</summary>
    public IReadOnlyList<HookStatus> Status =>
        [.. Volatile.Read(ref _loops).Values.Select(loop => loop.Status)
            .OrderBy(status => status.Hook.Name, StringComparer.Ordinal)];

    /// <summary>
    /// Lets exactly these hooks run. One that did not change goes on undisturbed; the others are stopped, within the
    /// plan's bound, before what takes their place begins at the same cursor.
    /// </summary>
    /// <param name="hooks">Each with a name of its own.</param>
    /// <exception cref="ArgumentException">One cannot be used; then nothing was changed.</exception>
    public async Task ReplaceAsync(IReadOnlyList<HookOptions> hooks)
    {
        ArgumentNullException.ThrowIfNull(hooks);
        using var turn = await _replacing.AcquireAsync(CancellationToken.None).ConfigureAwait(false);
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        _gauges ??= HookTelemetry.Observe(() => Status);
        var before = _loops;
        var after = Prepare(hooks, before);
        Volatile.Write(ref _loops, after);
        try
        {
            await StopAsync(before.Where(pair => !after.ContainsKey(pair.Key))).ConfigureAwait(false);
        }
        finally
        {
            // They count as running from now on, however the others ended.
            foreach (var (hook, loop) in after.Where(pair => !before.ContainsKey(pair.Key)))
            {
                HookLog.Started(log, hook.Name);
                loop.Start();
            }
        }
    }

    /// <summary>Stops all hooks, within the plan's bound.</summary>
    public async ValueTask DisposeAsync()
    {
        using var turn = await _replacing.AcquireAsync(CancellationToken.None).ConfigureAwait(false);
        if (!_isDisposed)
        {
            _isDisposed = true;
            _gauges?.Dispose();
            await StopAsync(_loops).ConfigureAwait(false);
        }
    }

    private Dictionary<HookOptions, HookLoop> Prepare(
        IReadOnlyList<HookOptions> hooks, Dictionary<HookOptions, HookLoop> before)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var hook in hooks)
        {
            if (!names.Add(hook.Check().Name))
            {
                throw new ArgumentException($"There are two hooks with the name '{hook.Name}'.", nameof(hooks));
            }
        }

        var made = new List<HookLoop>();
        var isDone = false;
        try
        {
            var after = hooks.ToDictionary(hook => hook, hook => before.GetValueOrDefault(hook) ?? Make(hook, made));
            isDone = true;
            return after;
        }
        finally
        {
            if (!isDone)
            {
                // Not one of them was started: there is nothing to wait for.
                made.ForEach(loop => loop.Discard());
            }
        }
    }

    private HookLoop Make(HookOptions hook, List<HookLoop> made)
    {
        var sender = new HookSender(hook, _network.CreateHandler(hook, _plan.Concurrency), runtime.Time);
        var loop = new HookLoop(hook, _plan, stores, sender, runtime, log);
        made.Add(loop);
        return loop;
    }

    private async Task StopAsync(IEnumerable<KeyValuePair<HookOptions, HookLoop>> loops) =>
        await Task.WhenAll(loops.Select(async pair =>
        {
            await pair.Value.DisposeAsync().ConfigureAwait(false);
            HookLog.Stopped(log, pair.Key.Name);
        })).ConfigureAwait(false);
}
