using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Ledger.Codecs;

/// <summary>Values as UTF-8 JSON.</summary>
/// <param name="type">How the value is written; from a source-generated context.</param>
/// <typeparam name="T">The value.</typeparam>
public sealed class JsonEntryCodec<T>(JsonTypeInfo<T> type) : IEntryCodec<T>
{
    /// <inheritdoc/>
    public void Encode(T value, IBufferWriter<byte> destination)
    {
        using var json = new Utf8JsonWriter(destination);
        JsonSerializer.Serialize(json, value, type);
    }

    /// <inheritdoc/>
    [SuppressMessage("Design", "CA1062", Justification = "Memory is never null.")]
    public T Decode(ReadOnlyMemory<byte> payload)
    {
        try
        {
            // Null is a value like any other where T allows it.
            return JsonSerializer.Deserialize(payload.Span, type)!;
        }
        catch (JsonException error)
        {
            throw new SchemaException($"The payload is not JSON of a {typeof(T).Name}: {error.Message}", 0, error);
        }
    }

    /// <inheritdoc/>
    public string? TextOf(ReadOnlyMemory<byte> payload) => JsonText.Of(payload.Span);
}
