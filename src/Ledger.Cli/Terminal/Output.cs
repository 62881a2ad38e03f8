using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Ledger.Cli.Terminal;

/// <summary>What a command says on standard output: lines of text, or one JSON object per line.</summary>
internal sealed class Output : IDisposable
{
    private static readonly JsonWriterOptions Compact = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly BufferedStream _stream;
    private readonly ArrayBufferWriter<byte> _line = new();
    private readonly Utf8JsonWriter _json;

    /// <summary>Writes to a stream, which is disposed with this.</summary>
    public Output(Stream stream, bool isJson)
    {
        _stream = new BufferedStream(stream, 1 << 16);
        _json = new Utf8JsonWriter(_line, Compact);
        IsJson = isJson;
    }

    /// <summary>Whether results are JSON.</summary>
    public bool IsJson { get; }

    /// <summary>The bytes themselves, for values that are written as they are.</summary>
    public Stream Raw => _stream;

    /// <summary>Writes one line of text.</summary>
    public void Line(string text) => Line(Encoding.UTF8.GetBytes(text));

    /// <summary>Writes one line that is made of several pieces.</summary>
    public void Line(params ReadOnlySpan<ReadOnlyMemory<byte>> pieces)
    {
        foreach (var piece in pieces)
        {
            _stream.Write(piece.Span);
        }

        _stream.WriteByte((byte)'\n');
    }

    /// <summary>Writes one JSON object as a line.</summary>
    public void Json(Action<Utf8JsonWriter> members)
    {
        _line.ResetWrittenCount();
        _json.Reset();
        _json.WriteStartObject();
        members(_json);
        _json.WriteEndObject();
        _json.Flush();
        Line(_line.WrittenMemory);
    }

    /// <summary>Writes a result: the members as JSON, or the text.</summary>
    public void Result(string text, Action<Utf8JsonWriter> members)
    {
        if (IsJson)
        {
            Json(members);
        }
        else
        {
            Line(text);
        }
    }

    /// <summary>Hands everything to the reader.</summary>
    public void Flush() => _stream.Flush();

    /// <inheritdoc/>
    public void Dispose()
    {
        _json.Dispose();
        _stream.Dispose();
    }
}
