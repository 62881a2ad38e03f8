using System.Data.Common;
using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Streams.Relational;

namespace Ledger.Streams.Sqlite;

/// <summary>The one connection that writes: those who come while a commit runs share the next one.</summary>
/// <remarks>
/// The first who waits does the work of all, in one transaction, on its own thread. A piece of work that is refused
/// (a conflict, an entry that is not there) has written nothing and fails alone; an error of the database undoes all.
/// </remarks>
/// <param name="session">The connection.</param>
/// <param name="wrap">Makes a driver's error one of ours; null for what must not be dressed up.</param>
internal sealed class SqliteWriter(RelationalSession session, Func<DbException, LedgerException?> wrap)
    : IAsyncDisposable
{
    /// <summary>Pieces of work in one transaction: beyond this a commit costs nothing per piece any more.</summary>
    private const int GroupMax = 128;

    private readonly Lock _gate = new();
    private readonly Queue<Request> _requests = new();
    private bool _hasLeader;

    /// <summary>Does a piece of work in a transaction, and completes when it is committed.</summary>
    public async ValueTask<TResult> RunAsync<TResult>(Func<RelationalSession, ValueTask<TResult>> work)
    {
        var request = new Request<TResult>(work);
        bool isLeader;
        lock (_gate)
        {
            _requests.Enqueue(request);
            isLeader = !_hasLeader;
            _hasLeader = true;
        }

        if (isLeader || await request.IsLeader)
        {
            await LeadAsync(request);
        }

        return request.Result;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        // As the last of the queue, so that nothing which was begun is cut off.
        await RunAsync(static _ => new ValueTask<bool>(true));
        await session.DisposeAsync();
    }

    private async ValueTask LeadAsync(Request own)
    {
        var group = new List<Request>();
        lock (_gate)
        {
            while (group.Count < GroupMax && _requests.TryDequeue(out var request))
            {
                group.Add(request);
            }
        }

        Invariant.Check(group[0] == own);
        try
        {
            await CommitAsync(group);
        }
        catch (Exception error) when (Fail(group, error))
        {
            // Each of the group hears of it from its own request.
        }

        Request? next;
        lock (_gate)
        {
            _hasLeader = _requests.TryPeek(out next);
        }

        foreach (var request in group.Skip(1))
        {
            request.SetLeader(false);
        }

        next?.SetLeader(true);
    }

    private async ValueTask CommitAsync(List<Request> group)
    {
        await session.ExecuteAsync("BEGIN IMMEDIATE", CancellationToken.None);
        var isCommitted = false;
        var isCommitting = false;
        try
        {
            foreach (var request in group)
            {
                await request.RunAsync(session);
            }

            isCommitting = true;
            await session.ExecuteAsync("COMMIT", CancellationToken.None);
            isCommitted = true;
        }
        catch (DbException error) when (isCommitting && wrap(error) is StoreUnavailableException { IsTransient: false })
        {
            throw new OutcomeUnknownException("The database failed during a commit.", error);
        }
        finally
        {
            if (!isCommitted)
            {
                await RollBackAsync();
            }
        }
    }

    private async ValueTask RollBackAsync()
    {
        try
        {
            await session.ExecuteAsync("ROLLBACK", CancellationToken.None);
        }
        catch (DbException)
        {
            // After some errors the database has rolled back by itself already.
        }
    }

    private bool Fail(List<Request> group, Exception error)
    {
        var reported = error is DbException database && wrap(database) is { } wrapped ? wrapped : error;
        group.ForEach(request => request.Error ??= reported);
        return true;
    }

    private abstract class Request
    {
        private readonly TaskCompletionSource<bool> _turn = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>True when the request must lead, false when it is done.</summary>
        public Task<bool> IsLeader => _turn.Task;

        /// <summary>Why it failed; null when it did not.</summary>
        public Exception? Error { get; set; }

        public void SetLeader(bool isLeader) => _turn.SetResult(isLeader);

        public abstract ValueTask RunAsync(RelationalSession session);
    }

    private sealed class Request<TResult>(Func<RelationalSession, ValueTask<TResult>> work) : Request
    {
        private TResult? _result;

        public TResult Result
        {
            get
            {
                if (Error is not null)
                {
                    System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(Error);
                }

                return _result!; // Set by the run, which is the only other way out of it.
            }
        }

        public override async ValueTask RunAsync(RelationalSession session)
        {
            try
            {
                _result = await work(session);
            }
            catch (Exception error) when (error is LedgerException or ArgumentException)
            {
                // Refused before anything was written: the others of the group go on.
                Error = error;
            }
        }
    }
}
