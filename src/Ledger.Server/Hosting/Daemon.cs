using System.Net;
using System.Net.Sockets;
using Ledger.Server.Configuration;
using Ledger.Server.Logging;
using Ledger.Server.Services;
using Microsoft.AspNetCore.Builder;

namespace Ledger.Server.Hosting;

/// <summary>A daemon in this process: its listeners, what they serve, and its life.</summary>
/// <remarks>Safe from any thread. One for each directory: whoever starts it holds the lock.</remarks>
internal sealed class Daemon : IAsyncDisposable
{
    private readonly WebApplication _application;
    private readonly DaemonParts _parts;
    private readonly IReadOnlyList<Listener> _listeners;
    private readonly SemaphoreSlim _changing = new(1);
    private readonly TaskCompletionSource _stopAsked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _isStopped;

    private Daemon(WebApplication application, DaemonParts parts, IReadOnlyList<Listener> listeners)
    {
        _application = application;
        _parts = parts;
        _listeners = listeners;
    }

    /// <summary>What it works with now.</summary>
    public DaemonState State => _parts.State;

    /// <summary>Done when somebody asked at the control socket that it stops.</summary>
    public Task StopAsked => _stopAsked.Task;

    /// <summary>The addresses that one kind of listener has.</summary>
    public IReadOnlyList<EndPoint> AddressesOf(ListenerKind kind) => _parts.AddressesOf(kind);

    /// <summary>Starts a daemon; it answers when this comes back.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <param name="log">Its log, which stays the caller's.</param>
    /// <param name="control">Where it is asked from this machine; null for nowhere.</param>
    /// <param name="database">What the stores are in, which becomes the daemon's; null for the configured one.</param>
    /// <param name="cancellationToken">Ends the start; nothing stays behind.</param>
    /// <exception cref="ConfigurationException">The configuration cannot be used.</exception>
    /// <exception cref="DaemonException">An address cannot be listened at.</exception>
    /// <exception cref="Objects.StoreUnavailableException">The database did not answer in time.</exception>
    public static async Task<Daemon> StartAsync(
        LoadedConfiguration configuration, DaemonLog log, string? control = null, IStoreDatabase? database = null,
        CancellationToken cancellationToken = default)
    {
        var state = DaemonState.Prepare(configuration);
        var listeners = new List<Listener>(Listener.Plan(state.Options));
        if (control is not null)
        {
            listeners.Add(new Listener(
                ListenerKind.Control, "ledger.sock", new UnixDomainSocketEndPoint(control)));
        }

        var parts = new DaemonParts(state, log, database);
        WebApplication? application = null;
        try
        {
            await parts.OpenAsync(cancellationToken);
            application = ServerSetup.Build(parts, listeners);
            var daemon = new Daemon(application, parts, listeners);
            var requests = new RequestPipeline(parts, daemon);
            application.Run(requests.HandleAsync);
            await application.StartAsync(cancellationToken);
            daemon.Announce();
            application = null;
            parts = null;
            return daemon;
        }
        finally
        {
            if (application is not null)
            {
                await application.DisposeAsync();
            }

            if (parts is not null)
            {
                await parts.DisposeAsync();
            }
        }
    }

    /// <summary>Asks that it stops; whoever runs it does.</summary>
    public void AskToStop() => _stopAsked.TrySetResult();

    /// <summary>Reads the configuration again, and takes it over as a whole or not at all.</summary>
    /// <returns>The keys that changed.</returns>
    /// <exception cref="ConfigurationException">It was not taken over.</exception>
    public async Task<IReadOnlyList<string>> ReloadAsync()
    {
        try
        {
            // A stop waits for the calls in hand, of which this may be one.
            await _changing.WaitAsync(_parts.Stopping);
        }
        catch (OperationCanceledException)
        {
            throw new ConfigurationException("The daemon is stopping: nothing was changed.");
        }

        try
        {
            return await _parts.ReloadAsync(Restrict);
        }
        catch (ConfigurationException error)
        {
            DaemonEvents.ReloadRefused(_parts.Logger, string.Join(' ', error.Problems));
            throw;
        }
        finally
        {
            _changing.Release();
        }
    }

    /// <summary>Takes no more calls, lets those in hand end within the bound, and closes everything.</summary>
    public async Task StopAsync()
    {
        await _changing.WaitAsync();
        try
        {
            if (_isStopped)
            {
                return;
            }

            _isStopped = true;
            var bound = State.Options.StopTimeout;
            DaemonEvents.Stopping(_parts.Logger, bound);
            await _parts.EndFollowingAsync();
            using var cut = new CancellationTokenSource(bound);

            // At once: the listeners are closed while hooks still wait for their endpoints.
            await Task.WhenAll(_application.StopAsync(cut.Token), _parts.DrainHooksAsync());
            if (cut.IsCancellationRequested)
            {
                DaemonEvents.CutOff(_parts.Logger, bound);
            }

            await _application.DisposeAsync();
            await _parts.DisposeAsync();
            DaemonEvents.Stopped(_parts.Logger);
        }
        finally
        {
            _changing.Release();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _changing.Dispose();
    }

    private void Announce()
    {
        var logger = _parts.Logger;
        foreach (var warning in State.Warnings())
        {
            DaemonEvents.ConfigurationWarning(logger, warning);
        }

        Restrict(State);
        foreach (var kind in new[] { ListenerKind.Grpc, ListenerKind.Http })
        {
            foreach (var address in AddressesOf(kind))
            {
                DaemonEvents.Serving(logger, kind == ListenerKind.Grpc ? "gRPC" : "HTTP", address.ToString()!);
            }
        }

        DaemonEvents.Ready(logger, State.Options.Database.ToString());
    }

    /// <summary>Lets only those use the sockets who may; a socket that is gone lets nobody in.</summary>
    /// <exception cref="ConfigurationException">One stays open that must not be.</exception>
    private void Restrict(DaemonState state)
    {
        foreach (var listener in _listeners)
        {
            try
            {
                ServerSetup.Restrict(listener, state);
            }
            catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
            {
                DaemonEvents.ConfigurationWarning(
                    _parts.Logger, $"The socket {listener.EndPoint} is gone: nobody can reach it until a restart.");
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                var sentence = $"The rights of the socket {listener.EndPoint} cannot be changed: {error.Message}";
                if (state.Authenticator.IsOpen)
                {
                    throw new ConfigurationException(sentence);
                }

                DaemonEvents.ConfigurationWarning(_parts.Logger, sentence);
            }
        }
    }
}
