using System.Numerics;

namespace Ledger.Streams.Relational;

/// <summary>An append inside a transaction that holds the store's counter: what is decided and written.</summary>
/// <param name="session">In a transaction that no other append of the store runs beside.</param>
/// <param name="table">The store.</param>
/// <param name="nowMs">The store's clock.</param>
internal sealed class RelationalAppend(RelationalSession session, RelationalTable table, long nowMs)
{
    /// <summary>Appends of one entry for each that writes its stream's row, where that is written late.</summary>
    private const int UncountedMean = 16;

    private readonly object[] _boxes = new object[3];
    private bool _hasWords;

    /// <summary>Decides about every stream, and then writes; nothing is written when one is refused.</summary>
    public async ValueTask<IReadOnlyList<AppendResult>> RunAsync(
        IReadOnlyList<StreamAppend> appends, CancellationToken cancellationToken)
    {
        var plans = new List<Plan>(appends.Count);
        foreach (var append in appends)
        {
            plans.Add(await PlanAsync(append, cancellationToken));
        }

        if (plans.TrueForAll(plan => plan.NewCount == 0))
        {
            return [.. plans.Select(plan => plan.Result())];
        }

        var (last, fullText) = await session.FindNumbersAsync(table.LockLast, [], cancellationToken) ?? default;
        _hasWords = table.HasWords(fullText);
        foreach (var plan in plans)
        {
            last = await WriteAsync(plan, last, cancellationToken);
        }

        if (!table.CountsLate)
        {
            await session.ExecuteAsync(table.SetLast, [last], cancellationToken);
        }

        return [.. plans.Select(plan => plan.Result())];
    }

    private async ValueTask<Plan> PlanAsync(StreamAppend append, CancellationToken cancellationToken)
    {
        var (stream, end) =
            await session.FindNumbersAsync(table.LockStream, [append.Stream], cancellationToken) ?? default;
        var plan = new Plan(append) { Key = stream, End = end };
        Dictionary<string, int>? seen = null;
        var isRepeated = true;
        for (var index = 0; index < append.Entries.Count; index++)
        {
            var key = append.Entries[index].DedupKey;
            var existing = key is null || plan.Key == 0 ? 0 : (await session.FindNumbersAsync(
                table.FindDuplicate, [plan.Key, key], cancellationToken))?.First ?? 0;
            plan.Ids[index] = existing;
            plan.FirstOf[index] = key is null || (seen ??= new(StringComparer.Ordinal)).TryAdd(key, index)
                ? index : seen[key];
            plan.NewCount += existing == 0 && plan.FirstOf[index] == index ? 1 : 0;
            isRepeated &= existing != 0;
        }

        if (!isRepeated && append.ExpectedEnd.IsChecked && append.ExpectedEnd.Id != EntryId.Of(plan.End))
        {
            throw new StreamConflictException(append.Stream, append.ExpectedEnd, EntryId.Of(plan.End));
        }

        return plan;
    }

    private async ValueTask<long> WriteAsync(Plan plan, long last, CancellationToken cancellationToken)
    {
        if (plan.NewCount == 0)
        {
            return last;
        }

        if (plan.Key == 0)
        {
            var made = await session.FindNumbersAsync(table.InsertStream, [plan.Append.Stream], cancellationToken);
            plan.Key = made?.First ?? 0;
        }

        for (var index = 0; index < plan.Ids.Length; index++)
        {
            if (plan.Ids[index] != 0)
            {
                plan.IsDuplicate[index] = true;
            }
            else if (plan.FirstOf[index] != index)
            {
                plan.IsDuplicate[index] = true;
                plan.Ids[index] = plan.Ids[plan.FirstOf[index]];
            }
            else
            {
                plan.Ids[index] = ++last;
                await InsertAsync(plan.Key, last, plan.Append.Entries[index], cancellationToken);
            }
        }

        plan.End = last;
        if (!table.CountsLate || IsCounted(plan))
        {
            var added = table.CountsLate ? 0 : plan.NewCount;
            await session.ExecuteAsync(table.UpdateStream, [plan.Key, last, added], cancellationToken);
        }

        return last;
    }

    // Scattered by the id, so that a few entries of a stream wait to be counted, whatever the order of the streams.
    private static bool IsCounted(Plan plan) => plan.NewCount >= UncountedMean
        || unchecked((ulong)plan.End * 0x9E37_79B9_7F4A_7C15) >> 32 is var mixed && mixed % UncountedMean == 0;

    private async ValueTask InsertAsync(long stream, long id, NewEntry entry, CancellationToken cancellationToken)
    {
        var search = entry.SearchText?.ToUpperInvariant();
        ReadOnlySpan<string?> nullable =
        [
            entry.OrderKey, entry.DedupKey, entry.SourceId, RelationalText.Of(entry.Metadata),
            RelationalText.Of(entry.Tags), search,
        ];
        var mask = 0;
        for (var index = 0; index < nullable.Length; index++)
        {
            mask |= nullable[index] is null ? 0 : 1 << index;
        }

        var values = new object[5 + BitOperations.PopCount((uint)mask)];
        values[0] = id;
        values[1] = Box(0, stream);
        values[2] = BytesOf(entry.Payload);
        values[3] = Box(1, entry.SchemaVersion);
        values[4] = Box(2, entry.CreatedAt?.ToUnixTimeMilliseconds() ?? nowMs);
        var count = 5;
        foreach (var value in nullable)
        {
            if (value is not null)
            {
                values[count++] = value;
            }
        }

        await session.ExecuteAsync(table.InsertEntry(mask), values, cancellationToken);
        if (_hasWords && search is not null)
        {
            await session.ExecuteAsync(table.InsertWords, [id, search], cancellationToken);
        }
    }

    // The same object for the same number: a session need not hand it to the database again.
    private object Box(int place, long value) =>
        _boxes[place] is long boxed && boxed == value ? _boxes[place] : _boxes[place] = value;

    // The provider takes arrays only; a payload that is the whole of one needs no copy, as nobody writes meanwhile.
    private static byte[] BytesOf(ReadOnlyMemory<byte> payload) =>
        System.Runtime.InteropServices.MemoryMarshal.TryGetArray(payload, out var part)
            && part.Array is { } array && part.Count == array.Length
            ? array : payload.ToArray();

    private sealed class Plan(StreamAppend append)
    {
        public StreamAppend Append { get; } = append;

        public long Key { get; set; }

        public long End { get; set; }

        public int NewCount { get; set; }

        public long[] Ids { get; } = new long[append.Entries.Count];

        // Index of the first entry of this append with the same key.
        public int[] FirstOf { get; } = new int[append.Entries.Count];

        public bool[] IsDuplicate { get; } = new bool[append.Entries.Count];

        public AppendResult Result() => new(
            [.. Ids.Select((id, index) => new AppendedEntry(EntryId.Of(id), NewCount == 0 || IsDuplicate[index]))],
            EntryId.Of(End));
    }
}
