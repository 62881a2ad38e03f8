using System.Buffers;
using System.IO.Pipelines;
using Ledger.Rpc;
using Ledger.Rpc.Serving;
using Xunit;

namespace Ledger.Tests.Rpc;

/// <summary>A request and its response in memory.</summary>
/// <param name="path">The method's path.</param>
/// <param name="body">The frames of the request.</param>
/// <param name="store">The store that is named.</param>
/// <param name="timeout">How long the caller waits, as the header has it; null for as long as it takes.</param>
internal sealed class MemoryExchange(string path, byte[] body, string store, string? timeout) : RpcExchange
{
    // Nobody reads before the end, and nobody may wait for that.
    private readonly Pipe _answer = new(new PipeOptions(pauseWriterThreshold: 0));

    /// <summary>How the call ended; null while it has not.</summary>
    public RpcCode? Code { get; private set; }

    /// <summary>All that was said with the end.</summary>
    public string Said { get; private set; } = "";

    /// <summary>The frames of the response; empty while it has not ended.</summary>
    public byte[] Answered { get; private set; } = [];

    public override string Verb => "POST";

    public override string Path => path;

    public override IEnumerable<KeyValuePair<string, string>> Headers { get; } = [new("x-ledger-store", store)];

    public override Stream Body { get; } = new MemoryStream(body);

    public override PipeWriter Writer => _answer.Writer;

    public override CancellationToken Aborted => CancellationToken.None;

    public override string? Header(string name) => name switch
    {
        "content-type" => "application/grpc",
        "te" => "trailers",
        "grpc-timeout" => timeout,
        _ => null,
    };

    public override void Answer(int status, string? name = null, string? value = null) => Assert.Equal(200, status);

    public override void AddHeader(string name, string value) => Assert.NotEmpty(value);

    public override ValueTask StartAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public override void End(IEnumerable<KeyValuePair<string, string>> trailers)
    {
        var said = trailers.ToList();
        _answer.Writer.Complete();
        Answered = _answer.Reader.TryRead(out var read) ? read.Buffer.ToArray() : [];
        Code = (RpcCode)int.Parse(said[0].Value, null);
        Said = string.Join('\n', said.Select(pair => $"{pair.Key}: {pair.Value}"));
    }

    public override void Abort() => Assert.Fail("Nobody stands still here.");

    public override Task CompleteAsync() => Task.CompletedTask;
}
