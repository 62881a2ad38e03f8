using System.Security.Cryptography.X509Certificates;
using Google.Protobuf;
using Ledger.Rpc;
using Ledger.Rpc.Client;
using Ledger.Rpc.Protocol;
using Ledger.Rpc.V1;
using Ledger.Server.Services;
using Ledger.Server.Wire;
using Ledger.Tests.Streams;
using Xunit;

namespace Ledger.Tests.Rpc;

/// <summary>One server for a class of tests: clear text, a Unix socket and mutual TLS.</summary>
public sealed class WireFixture : IAsyncLifetime
{
    private readonly SqliteFile _file = new();

    internal StoreCatalog Catalog { get; private set; } = null!;

    internal WireServer Server { get; private set; } = null!;

    internal RpcChannel Channel { get; private set; } = null!;

    internal HttpClient Http { get; private set; } = null!;

    internal string Socket => _file.Path + ".sock";

    internal X509Certificate2 Authority { get; private set; } = null!;

    internal X509Certificate2 ClientCertificate { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        Authority = TestCertificates.Make("CN=authority", null);
        ClientCertificate = TestCertificates.Make("CN=client", Authority);
        Catalog = StoreCatalog.OfSqlite(_file.Path);
        Server = await WireServer.StartAsync(
            Catalog, Socket, TestCertificates.Make("CN=localhost", Authority), Authority, Extend);
        Channel = Server.Connect();
        Http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = new Uri(Server.Address) };
    }

    public async Task DisposeAsync()
    {
        Http.Dispose();
        Channel.Dispose();
        await Server.DisposeAsync();
        await Catalog.DisposeAsync();
        Authority.Dispose();
        ClientCertificate.Dispose();
        _file.Delete();
    }

    /// <summary>Gives the length of each message, and as the end the bytes of the metadata <c>trace-bin</c>.</summary>
    internal static RpcMethod<CountRequest, AppendResponse> Collect { get; } = new(
        "ledger.tests.Streams", "Collect", RpcKind.ClientStreaming, CountRequest.Parser, AppendResponse.Parser);

    /// <summary>A message with what goes before it.</summary>
    internal static byte[] Frame(IMessage message)
    {
        var frame = new byte[FrameWriter.SizeOf(message)];
        FrameWriter.Write(message, frame);
        return frame;
    }

    /// <summary>Sends a body as it is, and gives what came back.</summary>
    internal async Task<WireAnswer> SendAsync(
        string method, byte[] body, Action<HttpRequestMessage>? change = null, HttpContent? content = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/{LedgerMethods.Service}/{method}");
        (request.Version, request.VersionPolicy) = (new Version(2, 0), HttpVersionPolicy.RequestVersionExact);
        request.Content = content ?? new ByteArrayContent(body);
        request.Content.Headers.TryAddWithoutValidation("content-type", "application/grpc");
        request.Headers.TryAddWithoutValidation("te", "trailers");
        request.Headers.TryAddWithoutValidation("x-api-key", WireServer.Key);
        request.Headers.TryAddWithoutValidation("x-ledger-store", "wire");
        change?.Invoke(request);
        using var response = await Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        var bytes = await response.Content.ReadAsByteArrayAsync();
        string? Find(string name) => response.TrailingHeaders.TryGetValues(name, out var trailers)
            ? string.Join(',', trailers)
            : response.Headers.TryGetValues(name, out var headers) ? string.Join(',', headers) : null;
        var isKnown = GrpcStatus.TryRead(Find, out var error);
        return new WireAnswer(
            (int)response.StatusCode, isKnown ? error?.Code ?? RpcCode.Ok : null, error?.Message, bytes,
            response.Headers.Contains(GrpcStatus.Code), Find);
    }

    private static void Extend(GrpcEndpoints endpoints) => endpoints.Server.AddCollecting(
        Collect,
        async (requests, context) =>
        {
            var response = new AppendResponse
            {
                End = string.Join(',', context.Metadata.AllBytes("trace-bin").Select(Convert.ToHexString)),
            };
            await foreach (var request in requests)
            {
                if (request.Stream == "stop")
                {
                    break;
                }

                response.Ids.Add($"{request.Stream.Length}");
            }

            return response;
        });

    internal static AppendRequest Append(string stream, int sizeBytes = 3) => new()
    {
        Stream = stream,
        Entries = { new EntryInput { Payload = ByteString.CopyFrom(new byte[sizeBytes]), NoSearchText = true } },
    };
}

/// <summary>What came back.</summary>
internal sealed record WireAnswer(
    int Http, RpcCode? Code, string? Message, byte[] Body, bool IsInHeaders, Func<string, string?> Find);
