using System.IO.Pipelines;
using Ledger.Rpc.Serving;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Ledger.Server.Wire;

/// <summary>A request of Kestrel's as the gRPC runtime sees one.</summary>
/// <param name="context">The request.</param>
internal sealed class HttpExchange(HttpContext context) : RpcExchange
{
    private const int EnhanceYourCalm = 11;

    /// <inheritdoc/>
    public override string Verb => context.Request.Method;

    /// <inheritdoc/>
    public override string Path => context.Request.Path.Value ?? "";

    /// <inheritdoc/>
    public override IEnumerable<KeyValuePair<string, string>> Headers => context.Request.Headers.SelectMany(
        header => header.Value.Select(value => new KeyValuePair<string, string>(header.Key, value ?? "")));

    /// <inheritdoc/>
    public override Stream Body => context.Request.Body;

    /// <inheritdoc/>
    public override PipeWriter Writer => context.Response.BodyWriter;

    /// <inheritdoc/>
    public override CancellationToken Aborted => context.RequestAborted;

    /// <inheritdoc/>
    public override string? Header(string name) =>
        context.Request.Headers.TryGetValue(name, out var values) ? values.ToString() : null;

    /// <inheritdoc/>
    public override void Answer(int status, string? name, string? value)
    {
        context.Response.StatusCode = status;
        if (name is not null)
        {
            context.Response.Headers[name] = value;
        }
    }

    /// <inheritdoc/>
    public override void AddHeader(string name, string value) => context.Response.Headers[name] = value;

    /// <inheritdoc/>
    public override async ValueTask StartAsync(CancellationToken cancellationToken)
    {
        await context.Response.StartAsync(cancellationToken);
        await Writer.FlushAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public override void End(IEnumerable<KeyValuePair<string, string>> trailers)
    {
        // Before the first byte of a response all of it fits into the headers, which end the stream.
        var isStarted = context.Response.HasStarted || Writer is { CanGetUnflushedBytes: true, UnflushedBytes: > 0 };
        var target = isStarted
            ? context.Features.GetRequiredFeature<IHttpResponseTrailersFeature>().Trailers : context.Response.Headers;
        foreach (var (name, value) in trailers)
        {
            target.Append(name, value);
        }
    }

    /// <inheritdoc/>
    public override void Abort() => context.Features.GetRequiredFeature<IHttpResetFeature>().Reset(EnhanceYourCalm);

    /// <inheritdoc/>
    public override Task CompleteAsync() => context.Response.CompleteAsync();
}
