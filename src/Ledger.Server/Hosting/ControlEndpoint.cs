using System.Text.Json;
using System.Text.Json.Serialization;
using Ledger.Server.Configuration;
using Ledger.Server.Gateway;
using Microsoft.AspNetCore.Http;

namespace Ledger.Server.Hosting;

/// <summary>Answers the commands of this machine's user, who is the only one that can open the socket.</summary>
/// <param name="parts">What the daemon consists of.</param>
/// <param name="daemon">The daemon.</param>
internal sealed class ControlEndpoint(DaemonParts parts, Daemon daemon)
{
    /// <summary>Answers a command.</summary>
    public async Task HandleAsync(HttpContext context)
    {
        switch (context.Request.Method, context.Request.Path.Value)
        {
            case ("GET", "/status"):
                await WriteAsync(context, StatusCodes.Status200OK, new DaemonStatus(
                    Environment.ProcessId, DaemonVersion.Text, parts.Started,
                    [.. daemon.AddressesOf(ListenerKind.Grpc).Select(end => end.ToString()!)],
                    [.. daemon.AddressesOf(ListenerKind.Http).Select(end => end.ToString()!)],
                    await parts.FindTroubleAsync(context.RequestAborted)), ControlJson.Default.DaemonStatus);
                return;
            case ("POST", "/reload"):
                await ReloadAsync(context);
                return;
            case ("POST", "/stop"):
                daemon.AskToStop();
                await Answers.TextAsync(context, StatusCodes.Status202Accepted, "stopping\n");
                return;
            default:
                await Answers.TextAsync(context, StatusCodes.Status404NotFound, "There is no such command.\n");
                return;
        }
    }

    private async Task ReloadAsync(HttpContext context)
    {
        try
        {
            var changed = await daemon.ReloadAsync();
            await WriteAsync(
                context, StatusCodes.Status200OK, new ReloadResult(changed, []), ControlJson.Default.ReloadResult);
        }
        catch (ConfigurationException error)
        {
            await WriteAsync(
                context, StatusCodes.Status409Conflict, new ReloadResult([], error.Problems),
                ControlJson.Default.ReloadResult);
        }
    }

    private static Task WriteAsync<T>(
        HttpContext context, int status, T value, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        return JsonSerializer.SerializeAsync(context.Response.Body, value, type, context.RequestAborted);
    }
}

/// <summary>How a daemon is.</summary>
/// <param name="Pid">Its process id.</param>
/// <param name="Version">Its version.</param>
/// <param name="Started">When it began.</param>
/// <param name="Listen">Where gRPC is served.</param>
/// <param name="HttpListen">Where HTTP is served.</param>
/// <param name="Trouble">Why calls cannot be served; null when they can.</param>
internal sealed record DaemonStatus(
    int Pid, string Version, DateTimeOffset Started, IReadOnlyList<string> Listen, IReadOnlyList<string> HttpListen,
    string? Trouble);

/// <summary>What came of a reload.</summary>
/// <param name="Changed">The keys that changed.</param>
/// <param name="Problems">Why nothing was changed; empty when it was.</param>
internal sealed record ReloadResult(IReadOnlyList<string> Changed, IReadOnlyList<string> Problems);

/// <summary>How the answers at the control socket are written.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(DaemonStatus))]
[JsonSerializable(typeof(ReloadResult))]
internal sealed partial class ControlJson : JsonSerializerContext;
