using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using Ledger.Server.Hosting;

namespace Ledger.Cli.Daemons;

/// <summary>Asks the daemon of a directory, at the socket that only its user can open.</summary>
internal sealed class ControlClient : IDisposable
{
    private readonly HttpClient _http;

    /// <summary>For the daemon of a directory; nothing is opened.</summary>
    public ControlClient(string directory)
    {
        var path = InstanceLock.SocketOf(directory);
        _http = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, token) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                try
                {
                    await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), token);
                    return new NetworkStream(socket, ownsSocket: true);
                }
                catch (SocketException)
                {
                    socket.Dispose();
                    throw;
                }
            },
        })
        {
            BaseAddress = new Uri("http://daemon"),
            Timeout = TimeSpan.FromSeconds(30),
        };
    }

    /// <summary>How the daemon is; null when it does not answer.</summary>
    public async Task<DaemonStatus?> FindStatusAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await _http.GetFromJsonAsync("/status", ControlJson.Default.DaemonStatus, cancellationToken);
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }

    /// <summary>Asks it to stop.</summary>
    /// <returns>False when it does not answer.</returns>
    public async Task<bool> AskToStopAsync(CancellationToken cancellationToken)
    {
        try
        {
            using var answer = await _http.PostAsync("/stop", null, cancellationToken);
            return answer.StatusCode == HttpStatusCode.Accepted;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    /// <summary>Lets it read its configuration again.</summary>
    /// <returns>What came of it; null when it does not answer.</returns>
    public async Task<ReloadResult?> ReloadAsync(CancellationToken cancellationToken)
    {
        try
        {
            using var answer = await _http.PostAsync("/reload", null, cancellationToken);
            return await answer.Content.ReadFromJsonAsync(ControlJson.Default.ReloadResult, cancellationToken);
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();
}
