using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Text.RegularExpressions;
using Ledger.Runtime;
using Ledger.Streams;
using Ledger.Streams.Memory;
using Ledger.Tests.Tidy;
using Xunit;

namespace Ledger.Tests.Telemetry;

/// <summary>What streams emit is what docs/telemetry.md names, no less and no more.</summary>
public sealed partial class StreamTelemetryTests
{
    private const string Scope = "Ledger.Streams";
    private const string Secret = "secret";

    private static readonly string Document = File.ReadAllText(
        Path.Combine(SourceFile.RepositoryRoot, "docs", "telemetry.md")).Split("## Hooks")[0];

    private readonly string _store = $"t{Guid.NewGuid():N}";
    private readonly ConcurrentQueue<Activity> _spans = new();
    private readonly ConcurrentQueue<(Instrument Instrument, double Value, Dictionary<string, object?> Labels)>
        _measured = new();

    [Fact]
    public async Task Every_documented_operation_instrument_label_and_error_is_emitted_and_nothing_else()
    {
        var instruments = new ConcurrentDictionary<string, Instrument>();
        using var spans = ListenToSpans();
        using var metrics = ListenToMetrics(instruments);

        await UseEverythingAsync();

        var documented = InstrumentLine().Matches(Document);
        Assert.Equal(
            documented.Select(line => $"{line.Groups[1]} {line.Groups[2]} {line.Groups[3]}").Order(),
            instruments.Values.Select(one => $"{one.Name} {KindOf(one)} {one.Unit}").Order());
        foreach (Match line in documented)
        {
            var labels = Word().Matches(line.Groups[4].Value).Select(word => word.Groups[1].Value).Order();
            var seen = _measured.Where(one => one.Instrument.Name == line.Groups[1].Value)
                .Select(one => string.Join(' ', one.Labels.Keys.Order())).Distinct();
            Assert.Equal(string.Join(' ', labels), Assert.Single(seen));
        }

        var operations = WordsAfter("Operations:").Order().ToList();
        Assert.Equal(operations, LabelsOf("ledger.streams.operations", "ledger.operation"));
        Assert.Equal(
            operations.Select(operation => $"ledger.streams {operation}"),
            _spans.Select(span => span.OperationName).Distinct().Order());
    }

    [Fact]
    public async Task Failures_have_the_documented_names_and_entries_are_counted()
    {
        using var spans = ListenToSpans();
        using var metrics = ListenToMetrics(new());

        await UseEverythingAsync();

        var errors = LabelsOf("ledger.streams.errors", "ledger.error");
        var known = typeof(LedgerException).Assembly.GetTypes().Concat(typeof(StreamStore).Assembly.GetTypes())
            .Where(typeof(LedgerException).IsAssignableFrom)
            .Select(type => type.Name.Replace("Exception", "", StringComparison.Ordinal)).ToHashSet();
        var documented = WordsAfter("`ledger.error` is").ToList();
        Assert.Empty(documented.Except(errors));
        Assert.Empty(errors.Except(documented).Except(known));
        Assert.Equal(["EntryNotFound", "StreamConflict"], errors.Except(documented));
        Assert.Equal(
            errors, _spans.Where(span => span.Status == ActivityStatusCode.Error)
                .Select(span => span.StatusDescription).Distinct().Order());
        Assert.Equal((3, 1), (SumOf("ledger.streams.entries.appended"), SumOf("ledger.streams.entries.duplicate")));
        Assert.Equal(SumOf("ledger.streams.operations"), _spans.Count);
        Assert.Equal(_spans.Count, _measured.Count(one => one.Instrument.Name == "ledger.streams.operation.duration"));
    }

    [Fact]
    public async Task Spans_have_the_documented_attributes_and_nothing_tells_a_name_a_key_or_a_payload()
    {
        using var spans = ListenToSpans();
        using var metrics = ListenToMetrics(new());

        await UseEverythingAsync();

        var attributes = WordsAfter("is a span").Where(word => !word.Contains(' ', StringComparison.Ordinal)).Order();
        Assert.Equal(attributes, _spans.SelectMany(span => span.TagObjects).Select(tag => tag.Key).Distinct().Order());
        Assert.All(_spans, span => Assert.Equal(("memory", _store), (
            span.GetTagItem("ledger.backend"), span.GetTagItem("ledger.store"))));
        var told = _spans.SelectMany(span => span.TagObjects).Concat(_measured.SelectMany(one => one.Labels))
            .Select(tag => $"{tag.Key}={tag.Value}")
            .Concat(_spans.Select(span => $"{span.OperationName} {span.DisplayName} {span.StatusDescription}"));
        Assert.DoesNotContain(told, text => text.Contains(Secret, StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>Each call of a store at least once, and failures; names and contents are secret.</summary>
    private async Task UseEverythingAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        var store = new MemoryStreamStore(_store);
        await store.EnsureCreatedAsync(limit.Token);
        await store.CheckHealthAsync(limit.Token);
        var entry = new NewEntry("secret"u8.ToArray()) { DedupKey = Secret, OrderKey = Secret, SearchText = Secret };
        var first = await store.AppendAsync(Secret, entry, cancellationToken: limit.Token);
        await store.AppendAsync(
            Secret, [entry, entry with { DedupKey = "secret 2" }], cancellationToken: limit.Token);
        await store.AppendAsync("secret 3", entry, cancellationToken: limit.Token);
        await store.ReadAsync(Secret, null, limit.Token).ToListAsync(limit.Token);
        await store.ReadAllAsync(cancellationToken: limit.Token).ToListAsync(limit.Token);
        await store.SearchAsync(Secret, null, limit.Token).ToListAsync(limit.Token);
        await store.FindAsync(first.End, limit.Token);
        await store.SubscribeAllAsync(cancellationToken: limit.Token).Take(4).ToListAsync(limit.Token);
        await store.SetTagsAsync(Secret, first.End, [Secret], limit.Token);
        await store.SetAnnotationsAsync(
            Secret, first.End, new Dictionary<string, string?> { [Secret] = Secret }, limit.Token);
        await store.TrimAsync("secret 3", EntryId.Of(99), limit.Token);
        await store.RenameAsync("secret 3", "secret 4", limit.Token);
        await store.CountAsync(Secret, limit.Token);
        await store.GetInfoAsync(Secret, limit.Token);
        await store.GetEndAsync(Secret, byPosition: false, limit.Token);
        await store.ListStreamsAsync(cancellationToken: limit.Token).ToListAsync(limit.Token);
        await store.ListConsumersAsync(limit.Token);
        await using (var consumer = await store.AcquireConsumerAsync(Secret, cancellationToken: limit.Token))
        {
            await consumer.AcknowledgeAsync(await consumer.ReceiveAsync(limit.Token));
        }

        await FailAsync(store, first.End);
    }

    private static async Task FailAsync(MemoryStreamStore store, EntryId first)
    {
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await store.CountAsync(Secret, new CancellationToken(canceled: true)));
        var many = Enumerable.Range(0, 40).ToDictionary(n => $"secret {n}", string? (_) => Secret);
        await store.SetAnnotationsAsync(Secret, first, many);
        var more = many.ToDictionary(pair => pair.Key + "'", pair => pair.Value);
        await Assert.ThrowsAnyAsync<ArgumentException>(
            async () => await store.SetAnnotationsAsync(Secret, first, more));
        await Assert.ThrowsAsync<StreamConflictException>(
            async () => await store.AppendAsync(Secret, new NewEntry("x"u8.ToArray()), ExpectedEnd.New));
        await Assert.ThrowsAsync<EntryNotFoundException>(
            async () => await store.SetTagsAsync(Secret, EntryId.Of(99), []));
        await store.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await store.CountAsync(Secret));
    }

    private ActivityListener ListenToSpans()
    {
        var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == Scope,
            Sample = (ref _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = span =>
            {
                if (Equals(span.GetTagItem("ledger.store"), _store))
                {
                    _spans.Enqueue(span);
                }
            },
        };
        ActivitySource.AddActivityListener(listener);
        return listener;
    }

    private MeterListener ListenToMetrics(ConcurrentDictionary<string, Instrument> instruments)
    {
        var listener = new MeterListener
        {
            InstrumentPublished = (instrument, me) =>
            {
                if (instrument.Meter.Name == Scope)
                {
                    instruments[instrument.Name] = instrument;
                    me.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Measure(instrument, value, tags));
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Measure(instrument, value, tags));
        listener.Start();
        return listener;
    }

    private void Measure(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var labels = new Dictionary<string, object?>(tags.ToArray());
        if (Equals(labels.GetValueOrDefault("ledger.store"), _store))
        {
            _measured.Enqueue((instrument, value, labels));
        }
    }

    private List<string> LabelsOf(string instrument, string label) =>
        [.. _measured.Where(one => one.Instrument.Name == instrument)
            .Select(one => (string)one.Labels[label]!).Distinct().Order()];

    private int SumOf(string instrument) =>
        (int)_measured.Where(one => one.Instrument.Name == instrument).Sum(one => one.Value);

    private static string KindOf(Instrument instrument) =>
        instrument.GetType().Name.Split('`')[0].ToLowerInvariant();

    /// <summary>The words in code marks from there to the end of the sentence.</summary>
    private static IEnumerable<string> WordsAfter(string place)
    {
        var from = Document.IndexOf(place, StringComparison.Ordinal);
        Assert.True(from >= 0, $"docs/telemetry.md does not say '{place}'.");
        var sentence = SentenceEnd().Split(Document[from..])[0];
        return Word().Matches(sentence[place.Length..]).Select(word => word.Groups[1].Value);
    }

    [GeneratedRegex("^\\| `([^`]+)` \\| (\\w+), `([^`]+)` \\| (.*) \\|$", RegexOptions.Multiline)]
    private static partial Regex InstrumentLine();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Word();

    [GeneratedRegex("[.;]\\s|, or ")]
    private static partial Regex SentenceEnd();
}
