using System.Data.Common;
using Ledger.Runtime;
using Npgsql;

namespace Ledger.Streams.Postgres;

/// <summary>Tells other processes of own commits, on its own connection; once for all that came meanwhile.</summary>
/// <remarks>Inside each append a notification would line up the commits of the whole server.</remarks>
/// <param name="connections">Where connections come from.</param>
/// <param name="channel">What is notified.</param>
/// <param name="sender">Goes with it, so that the own process can leave it out.</param>
/// <param name="runtime">How waiting is done.</param>
internal sealed class PostgresNotifier(
    PostgresConnections connections, string channel, string sender, LedgerRuntime runtime) : IAsyncDisposable
{
    /// <summary>Between two notifications, so that they cost little beside the appends.</summary>
    private static readonly TimeSpan Spacing = TimeSpan.FromMilliseconds(2);

    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(100);

    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _closing = new();
    private Task _sending = Task.CompletedTask;
    private bool _isDue;
    private bool _isSending;

    /// <summary>Something was committed.</summary>
    public void Signal()
    {
        lock (_gate)
        {
            _isDue = true;
            if (!_isSending)
            {
                _isSending = true;
                _sending = SendAsync();
            }
        }
    }

    /// <summary>Sends what is due, unless the server is away.</summary>
    public async ValueTask DisposeAsync()
    {
        Task sending;
        lock (_gate)
        {
            sending = _sending;
            _closing.Cancel();
        }

        await sending;
        _closing.Dispose();
    }

    private bool TakeDue()
    {
        lock (_gate)
        {
            _isSending = _isDue;
            _isDue = false;
            return _isSending;
        }
    }

    private async Task SendAsync()
    {
        await runtime.Enter();
        while (TakeDue())
        {
            var isSent = await TrySendAsync();
            if (!isSent)
            {
                lock (_gate)
                {
                    _isDue = !_closing.IsCancellationRequested;
                }
            }

            try
            {
                await runtime.Delay(isSent ? Spacing : RetryDelay, _closing.Token);
            }
            catch (OperationCanceledException)
            {
                // Closing: what is due is sent at once.
            }
        }
    }

    private async ValueTask<bool> TrySendAsync()
    {
        try
        {
            await using var connection = await connections.OpenAsync(CancellationToken.None);

            // What it tells of is durable already.
            await using var batch = new NpgsqlBatch(connection);
            batch.BatchCommands.Add(new NpgsqlBatchCommand("SET LOCAL synchronous_commit = off"));
            batch.BatchCommands.Add(new NpgsqlBatchCommand("SELECT pg_notify($1, $2)")
            {
                Parameters =
                {
                    new NpgsqlParameter<string> { TypedValue = channel },
                    new NpgsqlParameter<string> { TypedValue = sender },
                },
            });
            await batch.ExecuteNonQueryAsync(CancellationToken.None);
            return true;
        }
        catch (DbException)
        {
            // Those who listen look again when they have connected again; one that did not notice hears of it later.
            return false;
        }
    }
}
