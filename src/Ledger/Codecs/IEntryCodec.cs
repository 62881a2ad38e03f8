using System.Buffers;

namespace Ledger.Codecs;

/// <summary>Turns values into bytes and back. Implementors: pure, and safe from any thread.</summary>
/// <typeparam name="T">The value.</typeparam>
public interface IEntryCodec<T>
{
    /// <summary>Appends the bytes of a value.</summary>
    void Encode(T value, IBufferWriter<byte> destination);

    /// <summary>Reads a value; the bytes belong to the caller again afterwards.</summary>
    /// <exception cref="SchemaException">The bytes are not of this codec.</exception>
    T Decode(ReadOnlyMemory<byte> payload);

    /// <summary>What a search finds the payload by: what it says in words and numbers; null when nothing.</summary>
    string? TextOf(ReadOnlyMemory<byte> payload);
}
