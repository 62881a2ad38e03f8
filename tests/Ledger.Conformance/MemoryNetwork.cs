using System.Globalization;
using Ledger.Runtime;

namespace Ledger.Conformance;

/// <summary>A network in memory. Works in the world and on the pool; loses and delays nothing.</summary>
public sealed class MemoryNetwork : INetwork
{
    private const int FirstFreePort = 49_152;
    private const int BacklogMax = 128;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Listener> _listeners = new(StringComparer.Ordinal);
    private int _nextPort = FirstFreePort;

    /// <inheritdoc/>
    public async ValueTask<Stream> ConnectAsync(string address, CancellationToken cancellationToken)
    {
        NetworkAddress.Parse(address);
        Listener? listener;
        lock (_gate)
        {
            listener = _listeners.GetValueOrDefault(address);
        }

        var (client, server) = MemoryConnection.NewPair();
        if (listener is null || !await listener.OfferAsync(server, cancellationToken))
        {
            throw new IOException($"Cannot connect to '{address}': nobody listens there.");
        }

        return client;
    }

    /// <inheritdoc/>
    public ValueTask<IConnectionListener> ListenAsync(string address, CancellationToken cancellationToken)
    {
        var parsed = NetworkAddress.Parse(address);
        lock (_gate)
        {
            if (parsed is { Host: not null, Port: 0 })
            {
                address = string.Create(CultureInfo.InvariantCulture, $"{parsed.Host}:{_nextPort++}");
            }

            var listener = new Listener(this, address);
            return _listeners.TryAdd(address, listener)
                ? new(listener)
                : throw new IOException($"Cannot listen at '{address}': somebody else does.");
        }
    }

    private sealed class Listener(MemoryNetwork network, string address) : IConnectionListener
    {
        private readonly AsyncQueue<MemoryConnection> _backlog = new(BacklogMax);

        public string Address => address;

        /// <summary>False when the listener is disposed, now or before the connection found room.</summary>
        public async ValueTask<bool> OfferAsync(MemoryConnection connection, CancellationToken cancellationToken)
        {
            try
            {
                await _backlog.EnqueueAsync(connection, cancellationToken);
                return true;
            }
            catch (InvalidOperationException)
            {
                return false;
            }
        }

        public async ValueTask<Stream?> AcceptAsync(CancellationToken cancellationToken) =>
            await _backlog.DequeueAsync(cancellationToken) is { IsEnd: false } next ? next.Item : null;

        public ValueTask DisposeAsync()
        {
            lock (network._gate)
            {
                if (network._listeners.GetValueOrDefault(address) == this)
                {
                    network._listeners.Remove(address);
                }
            }

            _backlog.Complete();
            return ValueTask.CompletedTask;
        }
    }
}
