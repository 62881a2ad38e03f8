using System.Data.Common;
using System.Net.Sockets;
using Ledger.Runtime;
using Npgsql;

namespace Ledger.Streams.Postgres;

/// <summary>Hears of commits by other processes and by foreign transactions while somebody listens.</summary>
/// <remarks>One connection for all, which costs no query while nothing happens.</remarks>
/// <param name="connections">Where connections come from.</param>
/// <param name="committed">Pulsed when something was committed elsewhere, and whenever the connection is new.</param>
/// <param name="sender">Notifications of this process, which are left out.</param>
/// <param name="runtime">How waiting is done.</param>
internal sealed class PostgresListener(
    PostgresConnections connections, AsyncSignal committed, string sender, LedgerRuntime runtime) : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly List<Task> _running = [];
    private Action? _stop;
    private int _listeners;

    /// <summary>Listens until it is disposed.</summary>
    /// <param name="channel">What is listened to.</param>
    public IDisposable Listen(string channel)
    {
        lock (_gate)
        {
            if (_listeners++ == 0)
            {
                var stop = new CancellationTokenSource();
                _stop = stop.Cancel;
                _running.RemoveAll(task => task.IsCompleted);
                _running.Add(ListenAsync(channel, stop));
            }
        }

        return new Listener(EndListening);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Task[] running;
        lock (_gate)
        {
            _listeners = 0;
            _stop?.Invoke();
            _stop = null;
            running = [.. _running];
        }

        await Task.WhenAll(running);
    }

    private void EndListening()
    {
        lock (_gate)
        {
            if (_listeners > 0 && --_listeners == 0)
            {
                _stop?.Invoke();
                _stop = null;
            }
        }
    }

    private async Task ListenAsync(string channel, CancellationTokenSource stop)
    {
        using (stop)
        {
            await runtime.Enter();
            for (var delayMs = 20; !stop.IsCancellationRequested; delayMs = Math.Min(2 * delayMs, 1_000))
            {
                try
                {
                    await using var connection = await connections.OpenAsync(stop.Token);
                    delayMs = 20;
                    await HearAsync(connection, channel, stop.Token);
                }
                catch (OperationCanceledException) when (stop.IsCancellationRequested)
                {
                    return;
                }
                catch (Exception error) when (error is DbException or SocketException or IOException)
                {
                    // Those who wait ask the database themselves, hear that it is away, and say so to their callers.
                    committed.Pulse();
                    await WaitAsync(delayMs, stop.Token);
                }
            }
        }
    }

    private async ValueTask HearAsync(NpgsqlConnection connection, string channel, CancellationToken cancellationToken)
    {
        void Hear(object? source, NpgsqlNotificationEventArgs notification)
        {
            if (notification.Payload != sender)
            {
                committed.Pulse();
            }
        }

        connection.Notification += Hear;
        try
        {
            await ExecuteAsync(connection, $"LISTEN {channel}");

            // What was committed between the last look and now made no sound here.
            committed.Pulse();
            while (true)
            {
                await connection.WaitAsync(cancellationToken);
            }
        }
        finally
        {
            connection.Notification -= Hear;
            if (connection.State == System.Data.ConnectionState.Open)
            {
                await ExecuteAsync(connection, "UNLISTEN *");
            }
        }
    }

    private async ValueTask WaitAsync(int delayMs, CancellationToken cancellationToken)
    {
        try
        {
            await runtime.Delay(TimeSpan.FromMilliseconds(delayMs), cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // Nobody listens any more.
        }
    }

    private static async ValueTask ExecuteAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = connection.CreateCommand();
#pragma warning disable CA2100
        command.CommandText = sql;
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync(CancellationToken.None);
    }

    private sealed class Listener(Action end) : IDisposable
    {
        private Action? _end = end;

        public void Dispose() => Interlocked.Exchange(ref _end, null)?.Invoke();
    }
}
