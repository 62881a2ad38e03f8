using System.Diagnostics;
using System.Net;
using Ledger.Benchmarks.Measuring;
using Ledger.Benchmarks.Reporting;
using Ledger.Benchmarks.Stores;
using Ledger.Rpc;
using Ledger.Rpc.Client;
using Ledger.Rpc.Protocol;
using Ledger.Rpc.V1;
using Ledger.Server.Identities;
using Ledger.Server.Services;
using Ledger.Server.Wire;
using Ledger.Streams;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Ledger.Benchmarks.Experiments;

/// <summary>P16 over the wire: appends by gRPC beside the library, and beside calls that do nothing.</summary>
internal sealed class StreamCalls : Experiment
{
    private static readonly RpcMethod<AppendRequest, AppendResponse> Echo =
        new("ledger.bench.Echo", "Append", RpcKind.Unary, AppendRequest.Parser, AppendResponse.Parser);

    /// <inheritdoc/>
    public override string Name => "p16g";

    /// <inheritdoc/>
    public override string Title => "P16, appends to streams, over gRPC";

    /// <inheritdoc/>
    public override string Meaning =>
        "Entries of 256 bytes to 10^5 streams by a law of Zipf, in a SQLite file. 'Library' appends through a store " +
        "in the process, 'gRPC' through a remote store and a server on the loopback, 'echo' sends the same messages " +
        "to a method that answers at once. The same callers each wait for their own. Client and server share the " +
        "process and its processors. The series is the rate of doing first the one and then the other: " +
        "1 / (1 / echo + 1 / library). Rates are entries in a second; a ratio is of one round.";

    /// <inheritdoc/>
    public override async Task RunAsync(Context context)
    {
        var directory = Directory.CreateDirectory(context.NewDirectory("calls")).FullName;
        await using var catalog = StoreCatalog.OfSqlite(Path.Combine(directory, "streams.db"));
        await using var application = await ServeAsync(catalog);
        var address = application.Services.GetRequiredService<IServer>().Features
            .Get<IServerAddressesFeature>()!.Addresses.First();
        using var channel = new RpcChannel(address);
        using var held = await catalog.OpenAsync("orders");
        var library = held.Store;
        await using var remote = await RemoteStreamStore.OpenAsync(channel, "orders");
        Func<StreamAppend, Task> viaEcho = append =>
            channel.UnaryAsync(Echo, WireEntries.Of(append), RpcCallOptions.None, CancellationToken.None);
        Func<StreamAppend, Task> viaLibrary = async append => await library.AppendAsync([append]);
        Func<StreamAppend, Task> viaRemote = async append => await remote.AppendAsync([append]);

        foreach (var (callers, batch) in new[] { (1, 1), (8, 1), (32, 1), (1, 100), (8, 100) })
        {
            var each = Math.Max(1, context.Operations(2, 100, 200, 400) / (batch == 1 ? 1 : 10));
            var title = $"{callers} {(callers == 1 ? "caller" : "callers")}, " +
                (batch == 1 ? "single" : $"batches of {batch}");
            Lane Of(string name, Func<StreamAppend, Task> append) => new(
                name, (meter, slice) => RunAsync(meter, slice, callers, batch, each, append));
            var rounds = await Rounds.RunAsync(
                title, context.Rounds, context.Pick(1, 4, 8, 16),
                [Of("echo", viaEcho), Of("library", viaLibrary), Of("gRPC", viaRemote)], context.WarmUp);
            context.Report.Add(rounds);
            var series = rounds.Samples("echo").Zip(
                rounds.Samples("library"), (echo, own) => 1 / ((1 / echo.Rate) + (1 / own.Rate)));
            double[] reached = [.. rounds.Samples("gRPC").Zip(series, (ours, both) => ours.Rate / both)];
            context.Report.Ratio($"{title}: gRPC over the series", reached, batch == 1 ? "≥ 0.75" : Report.Reported);
            context.Report.Ratio(
                $"{title}: gRPC over the library", rounds.RateRatios("gRPC", "library"),
                batch == 1 ? Report.Reported : "≥ 0.7");
        }
    }

    private static async Task<WebApplication> ServeAsync(StoreCatalog catalog)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(options => options.Listen(
            IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2));
        var application = builder.Build();
        var everybody = new Identity("bench", null, Rights.All);
        var endpoints = new GrpcEndpoints(
            new LedgerService(catalog), null, _ => new(everybody), _ => new(true));
        endpoints.Server.Add(Echo, (request, context) =>
        {
            var response = new AppendResponse { End = "1" };
            for (var entry = 0; entry < request.Entries.Count; entry++)
            {
                response.Ids.Add("1");
                response.Entries.Add(new Rpc.V1.AppendedEntry { Id = "1" });
            }

            return Task.FromResult(response);
        });
        application.MapLedgerGrpc(endpoints);
        await application.StartAsync();
        return application;
    }

    private static async Task RunAsync(
        Meter meter, int slice, int callers, int batch, int appends, Func<StreamAppend, Task> append)
    {
        var work = Enumerable.Range(0, callers).Select(caller =>
        {
            var random = new Random((slice * 100) + caller);
            var payload = new byte[StreamBackend.PayloadBytes];
            return Enumerable.Range(0, appends).Select(_ => new StreamAppend(
                $"stream-{StreamBackend.Pick(random, 1)[0]}",
                [.. Enumerable.Repeat(new NewEntry(payload) { OrderKey = $"customer-{random.Next(1_000)}" }, batch)]))
                .ToArray();
        }).ToArray();
        var latencies = new double[callers][];
        meter.Start();
        await Task.WhenAll(Enumerable.Range(0, callers).Select(caller => Task.Run(async () =>
        {
            var times = latencies[caller] = new double[appends];
            for (var n = 0; n < appends; n++)
            {
                var started = Stopwatch.GetTimestamp();
                await append(work[caller][n]);
                times[n] = Stopwatch.GetElapsedTime(started).TotalMicroseconds;
            }
        })));
        meter.Stop((long)callers * appends * batch);
        meter.AddLatencies(latencies.SelectMany(times => times));
    }
}
