namespace Ledger.Streams.Postgres;

/// <summary>Decides in memory about the appends of one transaction, whose streams it holds.</summary>
/// <remarks>
/// What is not written yet has no id: an id below zero is the complement of a place in <see cref="Entries"/>. Those
/// who share a transaction see each other's entries in the order in which they were added.
/// </remarks>
internal sealed class AppendPlan
{
    private readonly Dictionary<string, StreamState> _streams = new(StringComparer.Ordinal);
    private readonly List<(NewEntry Entry, StreamState Stream)> _entries = [];

    /// <summary>What is to be written, in the order of ids.</summary>
    public IReadOnlyList<(NewEntry Entry, StreamState Stream)> Entries => _entries;

    /// <summary>Streams that get entries.</summary>
    public IEnumerable<StreamState> Written => _streams.Values.Where(stream => stream.Added > 0);

    /// <summary>A stream that is there and is held.</summary>
    public void AddStream(string name, long key, long end) => _streams[name] = new StreamState(name, key, end);

    /// <summary>An entry that has a dedup key which is asked about.</summary>
    public void AddDuplicate(string stream, string dedupKey, long id)
    {
        if (_streams.TryGetValue(stream, out var state))
        {
            state.Duplicates[dedupKey] = id;
        }
    }

    /// <summary>Decides about the appends of one caller; nothing is added when one of them is refused.</summary>
    public Decision Decide(IReadOnlyList<StreamAppend> appends)
    {
        var plans = new List<StreamPlan>(appends.Count);
        foreach (var append in appends)
        {
            var plan = new StreamPlan(append, StateOf(append.Stream));
            if (!plan.IsRepeated && append.ExpectedEnd.IsChecked && !plan.EndsAsExpected)
            {
                return new Decision([], plan);
            }

            plans.Add(plan);
        }

        plans.ForEach(Add);
        return new Decision(plans, null);
    }

    private StreamState StateOf(string name)
    {
        if (!_streams.TryGetValue(name, out var state))
        {
            state = new StreamState(name, 0, 0);
            _streams.Add(name, state);
        }

        return state;
    }

    private void Add(StreamPlan plan)
    {
        var stream = plan.Stream;
        for (var index = 0; index < plan.Ids.Length; index++)
        {
            var entry = plan.Append.Entries[index];
            if (entry.DedupKey is { } key && stream.Duplicates.TryGetValue(key, out var existing))
            {
                plan.Ids[index] = existing;
                plan.IsDuplicate[index] = true;
                continue;
            }

            var id = ~(long)_entries.Count;
            _entries.Add((entry, stream));
            plan.Ids[index] = id;
            stream.End = id;
            stream.Added++;
            if (entry.DedupKey is { } added)
            {
                stream.Duplicates[added] = id;
            }
        }

        plan.End = stream.End;
    }

    /// <summary>A stream during the transaction.</summary>
    internal sealed class StreamState(string name, long key, long end)
    {
        public string Name { get; } = name;

        /// <summary>Zero until the stream is made.</summary>
        public long Key { get; set; } = key;

        public long End { get; set; } = end;

        public int Added { get; set; }

        public Dictionary<string, long> Duplicates { get; } = new(StringComparer.Ordinal);
    }

    /// <summary>One append to one stream.</summary>
    internal sealed class StreamPlan(StreamAppend append, StreamState stream)
    {
        public StreamAppend Append { get; } = append;

        public StreamState Stream { get; } = stream;

        /// <summary>Where the stream ends, before the append or after it.</summary>
        public long End { get; set; } = stream.End;

        /// <summary>Every entry has a dedup key that exists.</summary>
        public bool IsRepeated { get; } = append.Entries.All(
            entry => entry.DedupKey is { } key && stream.Duplicates.ContainsKey(key));

        /// <summary>Nobody can expect an end that is not written yet.</summary>
        public bool EndsAsExpected => End >= 0 && Append.ExpectedEnd.Id == EntryId.Of(End);

        public long[] Ids { get; } = new long[append.Entries.Count];

        public bool[] IsDuplicate { get; } = new bool[append.Entries.Count];
    }

    /// <summary>What was decided about one caller.</summary>
    /// <param name="plans">One for each stream, in the order given.</param>
    /// <param name="refused">The stream that does not end as expected; null when all is well.</param>
    internal sealed class Decision(IReadOnlyList<StreamPlan> plans, StreamPlan? refused)
    {
        /// <summary>Whether entries of the caller's are to be written.</summary>
        public bool IsWritten => plans.Any(plan => plan.IsDuplicate.Contains(false));

        /// <summary>The results once the transaction is committed.</summary>
        /// <param name="ids">Of what was written, by place.</param>
        /// <exception cref="StreamConflictException">A stream ends elsewhere.</exception>
        public IReadOnlyList<AppendResult> Results(IReadOnlyList<long> ids)
        {
            EntryId Id(long id) => EntryId.Of(id < 0 ? ids[(int)~id] : id);
            if (refused is not null)
            {
                throw new StreamConflictException(
                    refused.Append.Stream, refused.Append.ExpectedEnd, Id(refused.End));
            }

            return
            [
                .. plans.Select(plan => new AppendResult(
                    [.. plan.Ids.Select((id, index) => new AppendedEntry(Id(id), plan.IsDuplicate[index]))],
                    Id(plan.End))),
            ];
        }
    }
}
