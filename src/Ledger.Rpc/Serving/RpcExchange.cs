using System.IO.Pipelines;

namespace Ledger.Rpc.Serving;

/// <summary>One request and its response, as an HTTP/2 server gives them.</summary>
internal abstract class RpcExchange
{
    /// <summary>The verb.</summary>
    public abstract string Verb { get; }

    /// <summary>The path.</summary>
    public abstract string Path { get; }

    /// <summary>The headers of the request, each value apart.</summary>
    public abstract IEnumerable<KeyValuePair<string, string>> Headers { get; }

    /// <summary>The body of the request.</summary>
    public abstract Stream Body { get; }

    /// <summary>The body of the response; flushing it waits while the caller does not read.</summary>
    public abstract PipeWriter Writer { get; }

    /// <summary>Cancelled when the caller is gone.</summary>
    public abstract CancellationToken Aborted { get; }

    /// <summary>The value of a header; null when there is none.</summary>
    public abstract string? Header(string name);

    /// <summary>Says the status of HTTP and a header of the response; before it is begun.</summary>
    public abstract void Answer(int status, string? name = null, string? value = null);

    /// <summary>Adds a header to the response; before it is begun.</summary>
    public abstract void AddHeader(string name, string value);

    /// <summary>Sends the headers now.</summary>
    public abstract ValueTask StartAsync(CancellationToken cancellationToken);

    /// <summary>Says how the call ended: in trailers, or in the headers when none were sent.</summary>
    public abstract void End(IEnumerable<KeyValuePair<string, string>> trailers);

    /// <summary>Ends the stream at once, and lets go of what was not sent; the caller is to be calmer.</summary>
    public abstract void Abort();

    /// <summary>Sends all that was said while the call goes on; otherwise it is sent when the call is over.</summary>
    public abstract Task CompleteAsync();
}
