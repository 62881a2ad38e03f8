using System.Globalization;
using Ledger.Rpc;
using Ledger.Server.Gateway;
using Ledger.Server.Identities;
using Microsoft.AspNetCore.Http;

namespace Ledger.Server.Hosting;

/// <summary>What every call goes through: whose listener, who calls, how often, and who answers.</summary>
/// <param name="parts">What is served.</param>
/// <param name="daemon">The daemon, for its control socket.</param>
internal sealed class RequestPipeline(DaemonParts parts, Daemon daemon)
{
    private const string HealthPath = "/v1/health";

    private readonly HttpGateway _gateway = new(parts);
    private readonly ControlEndpoint _control = new(parts, daemon);

    /// <summary>Answers a call.</summary>
    public Task HandleAsync(HttpContext context)
    {
        var kind = context.Features.Get<Listener>()?.Kind ?? ListenerKind.Http;
        if (kind == ListenerKind.Control)
        {
            return _control.HandleAsync(context);
        }

        var isGrpc = (kind & ListenerKind.Grpc) != 0
            && ((kind & ListenerKind.Http) == 0 || IsGrpc(context.Request));
        return isGrpc ? HandleGrpcAsync(context) : HandleHttpAsync(context);
    }

    private static bool IsGrpc(HttpRequest request) =>
        request.ContentType?.StartsWith("application/grpc", StringComparison.OrdinalIgnoreCase) == true;

    private static async Task HandleGrpcAsync(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status404NotFound;
        await context.Response.CompleteAsync();
    }

    private async Task HandleHttpAsync(HttpContext context)
    {
        switch (context.Request.Path.Value)
        {
            case "/healthz":
                await Answers.TextAsync(context, StatusCodes.Status200OK, "ok\n");
                return;
            case "/readyz":
                var trouble = await parts.FindTroubleAsync(context.RequestAborted);
                await Answers.TextAsync(
                    context, trouble is null ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable,
                    trouble is null ? "ready\n" : trouble + "\n");
                return;
        }

        var identity = await AdmitAsync(context);
        if (identity.IsAdmitted)
        {
            await _gateway.HandleAsync(context, identity.Identity);
        }
    }

    /// <summary>Finds out who calls, and answers itself when they may not.</summary>
    private async Task<(bool IsAdmitted, Identity? Identity)> AdmitAsync(HttpContext context)
    {
        var state = parts.State;
        var identity = state.Authenticator.Find(context.Request);
        if (!state.Rates.TryTake(identity, out var retryAfter))
        {
            parts.Audit.Refused(context, "too many calls");
            context.Response.Headers.RetryAfter =
                Math.Max(1, Math.Ceiling(retryAfter.TotalSeconds)).ToString("0", CultureInfo.InvariantCulture);
            await Answers.ErrorAsync(context, new RpcException(
                RpcCode.ResourceExhausted, "There were too many calls with this key; try again later."));
            return (false, null);
        }

        if (identity is null && context.Request.Path.Value != HealthPath)
        {
            parts.Audit.Refused(
                context, context.Request.Headers.ContainsKey(Authenticator.KeyHeader) ? "unknown key" : "no key");
            await Answers.ErrorAsync(context, new RpcException(
                RpcCode.Unauthenticated, "The call has no key that is known; send it as 'x-api-key'."));
            return (false, null);
        }

        return (true, identity);
    }
}
