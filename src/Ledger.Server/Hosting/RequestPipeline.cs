using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Ledger.Rpc;
using Ledger.Rpc.Protocol;
using Ledger.Server.Configuration;
using Ledger.Server.Gateway;
using Ledger.Server.Identities;
using Ledger.Server.Services;
using Ledger.Server.Telemetry;
using Ledger.Server.Wire;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Net.Http.Headers;

namespace Ledger.Server.Hosting;

/// <summary>What every call goes through: whose listener, who calls, how often, and who answers.</summary>
internal sealed class RequestPipeline
{
    private const string HealthPath = "/v1/health";
    private const string NoRight = "no right";

    private readonly DaemonParts _parts;
    private readonly HttpGateway _gateway;
    private readonly ControlEndpoint _control;
    private readonly GrpcEndpoints _grpc;

    /// <summary>Prepares the pipeline.</summary>
    /// <param name="parts">What is served.</param>
    /// <param name="daemon">The daemon, for its control socket and for operators.</param>
    public RequestPipeline(DaemonParts parts, Daemon daemon)
    {
        _parts = parts;
        _gateway = new HttpGateway(parts);
        _control = new ControlEndpoint(parts, daemon);
        var admin = new AdminService(parts.Catalog, _ => ReloadAsync(daemon), parts.HookAdmin);
        _grpc = new GrpcEndpoints(
            parts.Service, admin, AuthenticateAsync,
            async token => await parts.FindTroubleAsync(token) is null, parts.Logger, parts.Stopping);
        (_grpc.Server.Requests, _grpc.Server.Answers) = (parts.Requests, parts.Answers);
    }

    /// <summary>Answers a call.</summary>
    public Task HandleAsync(HttpContext context)
    {
        var kind = context.Features.Get<Listener>()?.Kind ?? ListenerKind.Http;
        if (kind == ListenerKind.Control)
        {
            return _control.HandleAsync(context);
        }

        var isGrpc = (kind & ListenerKind.Grpc) != 0
            && ((kind & ListenerKind.Http) == 0 || GrpcEndpoints.IsGrpc(context));
        return isGrpc ? HandleGrpcAsync(context) : HandleHttpAsync(context);
    }

    private static async Task<IReadOnlyList<string>> ReloadAsync(Daemon daemon)
    {
        try
        {
            return await daemon.ReloadAsync();
        }
        catch (ConfigurationException error)
        {
            // A caller's mistake: whoever may reload may know what is wrong with the file.
            throw new ArgumentException(error.Message, error);
        }
    }

    private async Task HandleGrpcAsync(HttpContext context)
    {
        _grpc.MessageBytesMax = _parts.State.Options.Limits.MessageBytes;
        if (!GrpcPaths.IsFollowing(context.Request.Path.Value))
        {
            await _grpc.HandleAsync(context);
            AuditDenied(context);
            return;
        }

        using var place = _parts.TrySubscribe();
        if (place is null)
        {
            RefuseGrpc(context, RpcCode.ResourceExhausted, "There are as many subscriptions as are allowed.");
            return;
        }

        await _grpc.HandleAsync(context);
        AuditDenied(context);
    }

    /// <summary>Notes a call whose key is known and does not allow it.</summary>
    private void AuditDenied(HttpContext context)
    {
        var denied = ((int)RpcCode.PermissionDenied).ToString(CultureInfo.InvariantCulture);
        var trailers = context.Features.Get<IHttpResponseTrailersFeature>()?.Trailers;
        if (context.Response.Headers[GrpcStatus.Code].ToString() == denied
            || trailers?[GrpcStatus.Code].ToString() == denied)
        {
            _parts.Audit.Refused(context, NoRight);
        }
    }

    /// <summary>Finds out who makes a call of gRPC; what is known to be refused is audited.</summary>
    private ValueTask<Identity?> AuthenticateAsync(HttpContext context)
    {
        var state = _parts.State;
        var identity = IdentityOf(context, state);

        // Those who have no key share one bucket: a flood of them would be the end of every probe.
        var isProbe = identity is null && GrpcPaths.IsHealth(context.Request.Path.Value);
        if (!isProbe && !state.Rates.TryTake(identity, out _))
        {
            _parts.Audit.Refused(context, "too many calls");
            throw new RpcException(
                RpcCode.ResourceExhausted, "There were too many calls with this key; try again later.");
        }

        if (identity is null && !isProbe)
        {
            _parts.Audit.Refused(context, ReasonOf(context));
        }

        return ValueTask.FromResult(identity);
    }

    /// <summary>Who calls.</summary>
    /// <remarks>
    /// When the daemon becomes open, its sockets become their owner's alone; a connection of before may be another
    /// user's.
    /// </remarks>
    private static Identity? IdentityOf(HttpContext context, DaemonState state) =>
        state.Authenticator.IsOpen
        && context.Features.Get<Listener>() is { EndPoint: UnixDomainSocketEndPoint }
        && context.Features.Get<ConnectionBegin>() is { IsOpen: false }
            ? null : state.Authenticator.Find(context.Request);

    private static void RefuseGrpc(HttpContext context, RpcCode code, string message)
    {
        context.Response.ContentType = "application/grpc";
        context.Response.Headers["grpc-status"] = ((int)code).ToString(CultureInfo.InvariantCulture);
        context.Response.Headers["grpc-message"] = message;
    }

    /// <summary>Whether somebody may know of every store and hook there is: metrics name them.</summary>
    private bool MaySeeAll(Identity? identity) =>
        identity is not null && (identity.Rights & (Rights.Read | Rights.Admin)) != 0
        && (identity.Stores is null
            || (_parts.State.Options.AllowedStores is { } all && identity.Stores.IsSupersetOf(all)));

    private static string ReasonOf(HttpContext context) =>
        context.Request.Headers.ContainsKey(Authenticator.KeyHeader)
        || context.Request.Headers.ContainsKey(HeaderNames.Authorization)
            ? "unknown key" : "no key";

    private async Task HandleHttpAsync(HttpContext context)
    {
        switch (context.Request.Path.Value)
        {
            case "/healthz":
                await Answers.TextAsync(context, StatusCodes.Status200OK, "ok\n");
                return;
            case "/readyz":
                var trouble = await _parts.FindTroubleAsync(context.RequestAborted);
                await Answers.TextAsync(
                    context, trouble is null ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable,
                    trouble is null ? "ready\n" : trouble + "\n");
                return;
        }

        if (!IsOwnName(context))
        {
            _parts.Audit.Refused(context, "a foreign name");
            await Answers.ErrorAsync(context, new RpcException(
                RpcCode.PermissionDenied,
                "The daemon is open to this machine, and answers to names of this machine only."));
            return;
        }

        var identity = await AdmitAsync(context);
        if (!identity.IsAdmitted)
        {
            return;
        }

        if (context.Request is { Method: "GET", Path.Value: "/metrics" })
        {
            if (!MaySeeAll(identity.Identity))
            {
                _parts.Audit.Refused(context, NoRight);
                await Answers.ErrorAsync(context, new RpcException(
                    RpcCode.PermissionDenied, "The credentials do not allow this call."));
                return;
            }

            await Answers.BytesAsync(
                context, PrometheusMetrics.ContentType, Encoding.UTF8.GetBytes(_parts.MetricsText));
        }
        else
        {
            await HttpTelemetry.TraceAsync(context, () => _gateway.HandleAsync(context, identity.Identity));
            if (context.Response.StatusCode == StatusCodes.Status403Forbidden)
            {
                _parts.Audit.Refused(context, NoRight);
            }
        }
    }

    /// <summary>Whether the daemon is called by a name that no page of the web can have given it.</summary>
    /// <remarks>
    /// Where no key is asked for, a page could let a name of its own stand for this machine, and read what is here.
    /// </remarks>
    private bool IsOwnName(HttpContext context)
    {
        var state = _parts.State;
        var host = context.Request.Host.Host;
        return !state.Authenticator.IsOpen || state.Options.Insecure || host.Length == 0
            || IPAddress.TryParse(host, out _) || host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
            || host.Equals(state.Options.HttpListen?.Host, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Finds out who calls, and answers itself when they may not.</summary>
    private async Task<(bool IsAdmitted, Identity? Identity)> AdmitAsync(HttpContext context)
    {
        var state = _parts.State;
        var identity = IdentityOf(context, state);
        var retryAfter = TimeSpan.Zero;
        var isProbe = identity is null && context.Request.Path.Value == HealthPath;
        if (!isProbe && !state.Rates.TryTake(identity, out retryAfter))
        {
            _parts.Audit.Refused(context, "too many calls");
            context.Response.Headers.RetryAfter =
                Math.Max(1, Math.Ceiling(retryAfter.TotalSeconds)).ToString("0", CultureInfo.InvariantCulture);
            await Answers.ErrorAsync(context, new RpcException(
                RpcCode.ResourceExhausted, "There were too many calls with this key; try again later."));
            return (false, null);
        }

        if (identity is null && !isProbe)
        {
            _parts.Audit.Refused(context, ReasonOf(context));
            await Answers.ErrorAsync(context, new RpcException(
                RpcCode.Unauthenticated, "The call has no key that is known; send it as 'x-api-key'."));
            return (false, null);
        }

        return (true, identity);
    }
}

/// <summary>Which calls of gRPC are special to the daemon.</summary>
internal static class GrpcPaths
{
    private const string Service = "/ledger.v1.LedgerService/";

    private static readonly HashSet<string> Following = new(
        [Service + "Subscribe", Service + "SubscribeAll", Service + "WatchStore", Service + "Consume"],
        StringComparer.Ordinal);

    /// <summary>Whether a call goes on until its caller ends it.</summary>
    public static bool IsFollowing(string? path) => path is not null && Following.Contains(path);

    /// <summary>Whether a call asks for health, which anybody may.</summary>
    public static bool IsHealth(string? path) =>
        path == Service + "Health" || path?.StartsWith("/grpc.health.v1.Health/", StringComparison.Ordinal) == true;
}
