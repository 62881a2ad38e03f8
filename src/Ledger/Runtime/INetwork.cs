namespace Ledger.Runtime;

/// <summary>The network seam: byte streams between named endpoints.</summary>
/// <remarks>An address is <c>host:port</c> or <c>unix:path</c>. Errors are <see cref="IOException"/>.</remarks>
public interface INetwork
{
    /// <summary>Connects to whoever listens at <paramref name="address"/>.</summary>
    /// <returns>A duplex stream, owned by the caller.</returns>
    ValueTask<Stream> ConnectAsync(string address, CancellationToken cancellationToken);

    /// <summary>Listens at <paramref name="address"/>; port 0 takes any free one.</summary>
    ValueTask<IConnectionListener> ListenAsync(string address, CancellationToken cancellationToken);
}

/// <summary>Accepts connections until it is disposed.</summary>
public interface IConnectionListener : IAsyncDisposable
{
    /// <summary>The address that others connect to, with the real port.</summary>
    string Address { get; }

    /// <summary>Waits for the next connection.</summary>
    /// <returns>A duplex stream, owned by the caller; null once the listener is disposed.</returns>
    ValueTask<Stream?> AcceptAsync(CancellationToken cancellationToken);
}
