using System.Diagnostics;
using System.Diagnostics.Metrics;
using Ledger.Runtime;

namespace Ledger.Streams;

/// <summary>Traces and metrics of stores; the names are in docs/telemetry.md. No stream names are labels.</summary>
internal static class StreamTelemetry
{
    private const string ScopeName = "Ledger.Streams";

    private static readonly ActivitySource Source = new(ScopeName);
    private static readonly Meter Meter = new(ScopeName);

    private static readonly Counter<long> Operations = Meter.CreateCounter<long>(
        "ledger.streams.operations", "{operation}", "Calls of a store, failed ones included.");

    private static readonly Counter<long> Errors = Meter.CreateCounter<long>(
        "ledger.streams.errors", "{error}", "Calls of a store that failed.");

    private static readonly Counter<long> Entries = Meter.CreateCounter<long>(
        "ledger.streams.entries.appended", "{entry}", "Entries that were written.");

    private static readonly Counter<long> Duplicates = Meter.CreateCounter<long>(
        "ledger.streams.entries.duplicate", "{entry}", "Entries that were there already.");

    private static readonly Histogram<double> Duration = Meter.CreateHistogram<double>(
        "ledger.streams.operation.duration", "s", "How long calls of a store took.");

    /// <summary>Begins to measure a call.</summary>
    public static Measured Start(StreamStore store, string operation) => new(store, operation);

    /// <summary>Counts what an append wrote.</summary>
    public static void Appended(StreamStore store, IReadOnlyList<AppendResult> results)
    {
        if (Entries.Enabled || Duplicates.Enabled)
        {
            var duplicates = results.Sum(result => result.DuplicateCount);
            Entries.Add(results.Sum(result => result.Entries.Count) - duplicates, TagsOf(store));
            Duplicates.Add(duplicates, TagsOf(store));
        }
    }

    private static TagList TagsOf(StreamStore store) =>
        [new("ledger.backend", store.Backend), new("ledger.store", store.Name)];

    /// <summary>One call; measured when it is disposed.</summary>
    internal sealed class Measured : IDisposable
    {
        private readonly StreamStore _store;
        private readonly string _operation;
        private readonly Activity? _activity;
        private readonly long _startedAt;
        private string? _error;

        /// <summary>Begins now.</summary>
        public Measured(StreamStore store, string operation)
        {
            (_store, _operation) = (store, operation);
            _startedAt = store.Runtime.Time.GetTimestamp();
            if (Source.HasListeners())
            {
                _activity = Source.StartActivity("ledger.streams " + operation);
                _activity?.SetTag("ledger.backend", store.Backend);
                _activity?.SetTag("ledger.store", store.Name);
            }
        }

        /// <summary>Notes how the call failed; false, so that the filter it is called in lets the error pass.</summary>
        public bool Failed(Exception error)
        {
            _error = error switch
            {
                OperationCanceledException => "cancelled",
                ArgumentException or FormatException => "invalid_argument",
                LedgerException known => known.GetType().Name.Replace("Exception", "", StringComparison.Ordinal),
                _ => "internal",
            };
            _activity?.SetStatus(ActivityStatusCode.Error, _error);
            return false;
        }

        /// <inheritdoc/>
        public void Dispose()
        {
            if (Operations.Enabled || Duration.Enabled || Errors.Enabled)
            {
                var tags = TagsOf(_store);
                tags.Add("ledger.operation", _operation);
                Operations.Add(1, tags);
                Duration.Record(_store.Runtime.Time.GetElapsedTime(_startedAt).TotalSeconds, tags);
                if (_error is not null)
                {
                    tags.Add("ledger.error", _error);
                    Errors.Add(1, tags);
                }
            }

            _activity?.Dispose();
        }
    }
}
