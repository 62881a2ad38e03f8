using System.Collections.Concurrent;
using Ledger.Runtime;

namespace Ledger.Conformance.Streams.History;

/// <summary>
/// Own and foreign writers, the transactions of the latter rolled back one time in four, and readers with cursors. Says
/// what a reader missed, saw twice, saw although it was never committed, or saw in an order that the stream cannot have
/// had.
/// </summary>
/// <param name="store">What is written to and read.</param>
/// <param name="shape">Who writes and reads, and for how long.</param>
/// <param name="seed">What the writers do follows from it; when they do it does not.</param>
internal sealed class HistoryRun(HistoryStore store, HistoryShape shape, int seed)
{
    private const int Streams = 30;

    private readonly ConcurrentDictionary<string, Written> _written = new();
    private readonly LedgerRuntime _runtime = LedgerRuntime.CreateSystem();
    private long _clock;
    private int _committed;
    private volatile bool _isOver;

    /// <summary>Entries that were committed.</summary>
    public int Committed => _written.Values.Count(written => written.DoneAt is not null);

    /// <summary>Runs, and gives the faults.</summary>
    /// <returns>Each begins with <c>missing</c>, <c>repeated</c>, <c>foreign</c> or <c>order</c>.</returns>
    public async Task<IReadOnlyList<string>> RunAsync()
    {
        // In this order, so that whoever locks several streams does so in one order.
        for (var stream = 0; stream < Streams; stream++)
        {
            await AppendAsync([$"s{stream:00}"], $"first{stream}");
        }

        using var over = new CancellationTokenSource(shape.Duration);
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(5));
        bool GoesOn(int turn) => !limit.IsCancellationRequested && (turn < shape.Turns
            || !over.IsCancellationRequested || Volatile.Read(ref _committed) < shape.CommittedMin);
        var readers = Enumerable.Range(0, shape.Readers)
            .Select(n => Task.Run(() => ReadAsync(new Random(seed + n)))).ToArray();
        var own = Enumerable.Range(0, shape.Own)
            .Select(n => Task.Run(() => WriteOwnAsync(n, new Random(seed + 100 + n), GoesOn)));
        var foreign = Enumerable.Range(0, shape.Foreign)
            .Select(n => Task.Run(() => WriteForeignAsync(n, new Random(seed + 200 + n), GoesOn)));
        await Task.WhenAll([.. own, .. foreign]);
        _isOver = true;
        return [.. (await Task.WhenAll(readers)).SelectMany(Check)];
    }

    private async Task WriteOwnAsync(int writer, Random random, Func<int, bool> goesOn)
    {
        for (var n = 0; goesOn(n); n++)
        {
            var names = Enumerable.Range(0, random.Next(1, 4)).Select(_ => NameOf(random));
            string[] streams = [.. names.Distinct().Order()];
            await AppendAsync(streams, $"own{writer}.{n}");
            await Task.Yield();
        }
    }

    private async Task AppendAsync(string[] streams, string text)
    {
        var entries = streams.Select(stream => (stream, $"{text}.{stream}")).ToArray();
        var startAt = Interlocked.Increment(ref _clock);
        foreach (var (stream, name) in entries)
        {
            _written[name] = new Written(stream, startAt);
        }

        await store.AppendAsync(entries);
        var doneAt = Interlocked.Increment(ref _clock);
        foreach (var (_, name) in entries)
        {
            _written[name].DoneAt = doneAt;
        }

        Interlocked.Add(ref _committed, entries.Length);
    }

    private async Task WriteForeignAsync(int writer, Random random, Func<int, bool> goesOn)
    {
        for (var n = 0; goesOn(n); n++)
        {
            var isCommitted = random.Next(4) != 0;
            string[] streams = [.. new[] { NameOf(random), NameOf(random) }.Distinct().Order()];
            var names = new List<string>();
            await using var transaction = await store.BeginAsync();
            foreach (var stream in streams)
            {
                var name = $"foreign{writer}.{n}.{stream}";
                names.Add(name);
                _written[name] = new Written(stream, Interlocked.Increment(ref _clock));
                await transaction.AppendAsync(stream, name);
                await DelayAsync(random.Next(0, shape.TransactionMs / streams.Length));
            }

            if (isCommitted)
            {
                await transaction.CommitAsync();
                var doneAt = Interlocked.Increment(ref _clock);
                names.ForEach(name => _written[name].DoneAt = doneAt);
                Interlocked.Add(ref _committed, names.Count);
            }
        }
    }

    private async Task<List<Seen>> ReadAsync(Random random)
    {
        var seen = new List<Seen>();
        object? cursor = null;
        while (true)
        {
            var isLast = _isOver;
            var page = await store.ReadAsync(cursor, random.Next(1, 200));
            seen.AddRange(page);
            cursor = page.Count == 0 ? cursor : page[^1].Cursor;
            if (isLast && page.Count == 0)
            {
                return seen;
            }

            // Readers that never rest would be in the writers' way, and would hide what writers owe them.
            await DelayAsync(random.Next(0, 40));
        }
    }

    private IEnumerable<string> Check(List<Seen> seen)
    {
        var names = new HashSet<string>();
        foreach (var entry in seen)
        {
            if (!names.Add(entry.Text))
            {
                yield return $"repeated: {entry.Text}";
            }

            if (!_written.TryGetValue(entry.Text, out var written) || written.DoneAt is null
                || written.Stream != entry.Stream)
            {
                yield return $"foreign: {entry.Text} in {entry.Stream}";
            }
        }

        foreach (var (name, _) in _written.Where(pair => pair.Value.DoneAt is not null && !names.Contains(pair.Key)))
        {
            yield return $"missing: {name}";
        }

        foreach (var stream in seen.GroupBy(entry => entry.Stream))
        {
            // Nothing that was committed before an append began may come after it.
            var earliestDone = long.MaxValue;
            foreach (var entry in stream.Reverse())
            {
                var written = _written.GetValueOrDefault(entry.Text);
                if (earliestDone < written?.StartAt)
                {
                    yield return $"order: {entry.Text} is before what was committed before it began";
                }

                earliestDone = Math.Min(earliestDone, written?.DoneAt ?? long.MaxValue);
            }
        }
    }

    private Task DelayAsync(int ms) => _runtime.Delay(TimeSpan.FromMilliseconds(ms), CancellationToken.None);

    private static string NameOf(Random random) => $"s{random.Next(Streams):00}";

    private sealed class Written(string stream, long startAt)
    {
        public string Stream { get; } = stream;

        /// <summary>By the count of events, just before the append.</summary>
        public long StartAt { get; } = startAt;

        /// <summary>Just after the commit; null when there was none.</summary>
        public long? DoneAt { get; set; }
    }
}
