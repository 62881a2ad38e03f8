using Google.Protobuf;

namespace Ledger.Tests.Telemetry;

/// <summary>A protobuf message read by field numbers alone, as little of it as a test needs.</summary>
internal sealed class OtlpMessage
{
    private readonly List<(int Field, ByteString Content)> _fields = [];

    public OtlpMessage(byte[] content)
    {
        using var input = new CodedInputStream(content);
        for (uint tag; (tag = input.ReadTag()) != 0;)
        {
            if (WireFormat.GetTagWireType(tag) == WireFormat.WireType.LengthDelimited)
            {
                _fields.Add((WireFormat.GetTagFieldNumber(tag), input.ReadBytes()));
            }
            else
            {
                input.SkipLastField();
            }
        }
    }

    /// <summary>The messages at the end of a path of field numbers.</summary>
    public IEnumerable<OtlpMessage> At(params int[] path) => path.Length == 0
        ? [this]
        : _fields.Where(field => field.Field == path[0])
            .SelectMany(field => new OtlpMessage(field.Content.ToByteArray()).At(path[1..]));

    /// <summary>A field as text; null when it is not there.</summary>
    public string? Text(int field) => Content(field)?.ToStringUtf8();

    /// <summary>A field as hexadecimal digits; null when it is not there.</summary>
    public string? Hex(int field) =>
        Content(field) is { } content ? Convert.ToHexStringLower(content.Span) : null;

    private ByteString? Content(int field) =>
        _fields.Where(one => one.Field == field).Select(one => one.Content).FirstOrDefault();
}
