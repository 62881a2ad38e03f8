using System.Data;
using System.Data.Common;
using System.Globalization;
using System.Runtime.ExceptionServices;
using Ledger.Objects;
using Ledger.Runtime;
using Npgsql;

namespace Ledger.Streams.Postgres;

/// <summary>The lane of own appends: those who come while a commit runs share the next transaction.</summary>
/// <remarks>
/// The first who waits does the work of all. A request whose stream somebody else holds leaves the group and goes on
/// by itself, so that nobody waits for a foreign transaction but those who append to its streams; so does each of a
/// group whose transaction failed.
/// </remarks>
/// <param name="connections">Where connections come from.</param>
/// <param name="table">The store.</param>
/// <param name="sender">Names this process to those who hear of its commits.</param>
/// <param name="writeTimeout">How long a request waits for locks, and is repeated.</param>
/// <param name="runtime">How waiting is done.</param>
internal sealed class PostgresWriter(
    PostgresConnections connections, PostgresTable table, string sender, TimeSpan writeTimeout, LedgerRuntime runtime)
{
    /// <summary>Requests in one transaction: beyond this a commit costs nothing per request any more.</summary>
    private const int GroupMax = 128;

    /// <summary>Payload of one transaction, unless one request has more.</summary>
    private const long GroupSizeBytesMax = 4 << 20;

    /// <summary>Requests that wait for foreign transactions at once: each has a connection.</summary>
    private const int AloneMax = 12;

    private static readonly TimeSpan PatienceMax = TimeSpan.FromMicroseconds(500);

    private readonly Lock _gate = new();
    private readonly GroupGathering _gathering = new(runtime, PatienceMax);

    // Full when as many go alone as may.
    private readonly AsyncQueue<bool> _alone = new(AloneMax);
    private readonly Queue<Request> _requests = new();
    private readonly string _lockTimeout = string.Create(
        CultureInfo.InvariantCulture, $"{Math.Max(1, (long)writeTimeout.TotalMilliseconds)}ms");
    private bool _hasLeader;

    private enum Turn
    {
        Done,
        Leads,
        GoesAlone,
    }

    /// <summary>Appends, and completes when it is committed.</summary>
    /// <param name="appends">Checked.</param>
    /// <param name="cancellationToken">Ends the repetition while the server is away.</param>
    public async ValueTask<IReadOnlyList<AppendResult>> AppendAsync(
        IReadOnlyList<StreamAppend> appends, CancellationToken cancellationToken)
    {
        var request = new Request(appends);
        bool isLeader;
        lock (_gate)
        {
            _requests.Enqueue(request);
            isLeader = !_hasLeader;
            _hasLeader = true;
        }

        var turn = isLeader ? Turn.Leads : await request.Turn;
        if (turn == Turn.Leads)
        {
            await _gathering.WaitAsync(CountWaiting);
            turn = await LeadAsync(request);
        }

        if (turn == Turn.GoesAlone)
        {
            await _alone.EnqueueAsync(true, cancellationToken);
            try
            {
                return await RepeatAsync(token => AppendAloneAsync(request, token), cancellationToken);
            }
            catch (Exception error) when (
                request.Unknown is not null && error is (DbException or OperationCanceledException))
            {
                // Nobody knows by now whether the first commit came to be.
                throw new OutcomeUnknownException(request.Unknown.Message, error);
            }
            finally
            {
                await _alone.DequeueAsync(CancellationToken.None);
            }
        }

        return request.Result();
    }

    /// <summary>
    /// Runs a transaction again that failed before its commit, for as long as the store waits, when the server was
    /// away or another transaction in the way.
    /// </summary>
    public async ValueTask<TResult> RepeatAsync<TResult>(
        Func<CancellationToken, ValueTask<TResult>> work, CancellationToken cancellationToken)
    {
        var start = runtime.Time.GetTimestamp();
        for (var delayMs = 5; ; delayMs = Math.Min(2 * delayMs, 250))
        {
            try
            {
                return await work(cancellationToken);
            }
            catch (DbException error) when (
                PostgresErrors.CanRunAgain(error) && runtime.Time.GetElapsedTime(start) < writeTimeout)
            {
                await runtime.Delay(TimeSpan.FromMilliseconds(delayMs), cancellationToken);
            }
        }
    }

    /// <summary>Commits; a failure that leaves the outcome open is said to be one.</summary>
    /// <exception cref="OutcomeUnknownException">The server went away during the commit.</exception>
    public static async ValueTask CommitAsync(NpgsqlTransaction transaction)
    {
        try
        {
            await transaction.CommitAsync(CancellationToken.None);
        }
        catch (DbException error) when (PostgresErrors.IsAway(error))
        {
            throw new OutcomeUnknownException("The database went away during a commit.", error);
        }
    }

    /// <summary>Gives positions to what foreign transactions have committed.</summary>
    /// <returns>False when something still waits, since another transaction is changing it.</returns>
    public ValueTask<bool> StampAsync(CancellationToken cancellationToken) =>
        RepeatAsync(
            async token =>
            {
                await using var connection = await connections.OpenAsync(token);
                await using var transaction = await connection.BeginTransactionAsync(
                    IsolationLevel.ReadCommitted, token);
                await using var batch = new NpgsqlBatch(connection);
                var timeout = $"SET LOCAL lock_timeout = '{_lockTimeout}'";
                foreach (var sql in new[] { timeout, table.LockCounter, table.Stamp, table.HasWaiting })
                {
#pragma warning disable CA2100
                    batch.BatchCommands.Add(new NpgsqlBatchCommand(sql));
#pragma warning restore CA2100
                }

                bool isDone;
                await using (var reader = await batch.ExecuteReaderAsync(token))
                {
                    await reader.NextResultAsync(token);
                    await reader.ReadAsync(token);
                    isDone = !reader.GetBoolean(0);
                }

                // Whether it is committed or not, the next who looks goes on from there.
                await transaction.CommitAsync(CancellationToken.None);
                return isDone;
            },
            cancellationToken);

    private int CountWaiting()
    {
        lock (_gate)
        {
            return _requests.Count;
        }
    }

    private async ValueTask<Turn> LeadAsync(Request own)
    {
        var group = new List<Request>();
        lock (_gate)
        {
            var sizeBytes = 0L;
            while (group.Count < GroupMax && _requests.TryPeek(out var request)
                && (group.Count == 0 || sizeBytes + request.SizeBytes <= GroupSizeBytesMax))
            {
                sizeBytes += request.SizeBytes;
                group.Add(_requests.Dequeue());
            }
        }

        Invariant.Check(group[0] == own);
        var start = runtime.Time.GetTimestamp();
        var leaving = new List<Request>();
        try
        {
            await AppendGroupAsync(group, leaving);
        }
        catch (Exception error) when (Fail(group, leaving, error))
        {
            // Each of the group hears of it from its own request, or goes on by itself.
        }

        Request? next;
        lock (_gate)
        {
            _hasLeader = _requests.TryPeek(out next);
            _gathering.Note(Math.Min(GroupMax, group.Count + _requests.Count), start);
        }

        foreach (var request in group.Skip(1))
        {
            request.SetTurn(leaving.Contains(request) ? Turn.GoesAlone : Turn.Done);
        }

        next?.SetTurn(Turn.Leads);
        return leaving.Contains(own) ? Turn.GoesAlone : Turn.Done;
    }

    private async ValueTask AppendGroupAsync(List<Request> group, List<Request> leaving)
    {
        await using var connection = await connections.OpenAsync(CancellationToken.None);
        var append = new PostgresAppend(connection, table) { LockTimeout = _lockTimeout, Sender = sender };
        var held = await append.BeginGroupAsync(
            [.. group.SelectMany(request => request.Appends)],
            [.. group.Select(request => request.MayBeMade).OfType<string>().Distinct(StringComparer.Ordinal)]);
        leaving.AddRange(group.Where(request => request.Appends.Any(part => held.Contains(part.Stream))));
        var staying = group.Except(leaving).Select(request => (request, append.Decide(request.Appends))).ToList();
        if (!await append.CreateStreamsAsync(isGroup: true, CancellationToken.None))
        {
            leaving.Clear();
            leaving.AddRange(group);
            return;
        }

        await append.CommitAsync();
        foreach (var (request, decision) in staying)
        {
            request.Complete(decision, append.Ids);
        }
    }

    private async ValueTask<IReadOnlyList<AppendResult>> AppendAloneAsync(
        Request request, CancellationToken cancellationToken)
    {
        while (true)
        {
            await using var connection = await connections.OpenAsync(cancellationToken);
            var append = new PostgresAppend(connection, table) { LockTimeout = _lockTimeout, Sender = sender };
            await append.LockAllAsync(request.Appends, cancellationToken);
            var decision = append.Decide(request.Appends);
            if (!await append.CreateStreamsAsync(isGroup: false, cancellationToken))
            {
                // Somebody has made one of the streams meanwhile: now it is there to be locked.
                continue;
            }

            try
            {
                await append.CommitAsync();
            }
            catch (OutcomeUnknownException error) when (request.CanBeRepeated && error.InnerException is DbException)
            {
                request.Unknown = error;
                ExceptionDispatchInfo.Throw(error.InnerException);
            }

            return decision.Results(append.Ids);
        }
    }

    private static bool Fail(List<Request> group, List<Request> leaving, Exception error)
    {
        foreach (var request in group.Except(leaving).ToArray())
        {
            // Nothing was committed, or what was is found by its dedup keys: it may be done again.
            if (error is DbException || error is OutcomeUnknownException && request.CanBeRepeated)
            {
                request.Unknown = error as OutcomeUnknownException;
                leaving.Add(request);
            }
            else
            {
                request.Error = error;
            }
        }

        return true;
    }

    private sealed class Request(IReadOnlyList<StreamAppend> appends)
    {
        private readonly TaskCompletionSource<Turn> _turn = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private AppendPlan.Decision? _decision;
        private IReadOnlyList<long> _ids = [];

        public IReadOnlyList<StreamAppend> Appends { get; } = appends;

        public long SizeBytes { get; } = appends.Sum(append => append.Entries.Sum(entry => (long)entry.Payload.Length));

        /// <summary>When every entry has a dedup key, a second time finds what the first one wrote.</summary>
        public bool CanBeRepeated =>
            Appends.All(append => append.Entries.All(entry => entry.DedupKey is not null));

        /// <summary>The stream, when it gets entries in any case if it is missing; else null.</summary>
        public string? MayBeMade => Appends is [{ ExpectedEnd.IsChecked: false } only] ? only.Stream : null;

        public Task<Turn> Turn => _turn.Task;

        public Exception? Error { get; set; }

        /// <summary>The commit that may have come to be, before the request is done again; null for none.</summary>
        public OutcomeUnknownException? Unknown { get; set; }

        public void SetTurn(Turn turn) => _turn.SetResult(turn);

        public void Complete(AppendPlan.Decision decision, IReadOnlyList<long> ids) =>
            (_decision, _ids) = (decision, ids);

        public IReadOnlyList<AppendResult> Result()
        {
            if (Error is not null)
            {
                ExceptionDispatchInfo.Throw(Error);
            }

            Invariant.Check(_decision is not null);
            return _decision.Results(_ids);
        }
    }
}
