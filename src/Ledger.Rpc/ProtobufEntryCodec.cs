using System.Buffers;
using System.Collections;
using System.Globalization;
using System.Text;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Ledger.Codecs;

namespace Ledger.Rpc;

/// <summary>Protobuf messages in their binary form. Fields that a message does not know are kept.</summary>
/// <remarks>
/// A search finds a message by its strings, its numbers and the names of its enumerated values, those of messages in it
/// included; not by booleans, bytes, keys of maps, and fields that are not in the payload.
/// </remarks>
/// <param name="parser">How a message is read: the generated type's <c>Parser</c>.</param>
/// <typeparam name="T">A generated type.</typeparam>
public sealed class ProtobufEntryCodec<T>(MessageParser<T> parser) : IEntryCodec<T>
    where T : class, IMessage<T>
{
    private readonly MessageParser<T> _parser = parser ?? throw new ArgumentNullException(nameof(parser));

    /// <inheritdoc/>
    /// <exception cref="SchemaException">A field that is required (proto2) is not set.</exception>
    public void Encode(T value, IBufferWriter<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(value);
        ArgumentNullException.ThrowIfNull(destination);
        Checked(value).WriteTo(destination);
    }

    /// <inheritdoc/>
    public T Decode(ReadOnlyMemory<byte> payload)
    {
        try
        {
            return Checked(_parser.ParseFrom(payload.Span));
        }
        catch (InvalidProtocolBufferException error)
        {
            throw new SchemaException($"The payload is not a {typeof(T).Name} of protobuf: {error.Message}", 0, error);
        }
    }

    /// <inheritdoc/>
    public string? TextOf(ReadOnlyMemory<byte> payload)
    {
        var text = new StringBuilder();
        try
        {
            AddMessage(text, _parser.ParseFrom(payload.Span));
        }
        catch (InvalidProtocolBufferException)
        {
            // Bytes that a search cannot find, as JSON that is none.
            return null;
        }

        text.Replace('\0', ' ');
        return text.Length == 0 ? null : text.ToString();
    }

    private static T Checked(T message) => message.IsInitialized()
        ? message
        : throw new SchemaException($"A required field of the {message.Descriptor.FullName} is not set.", 0);

    private static void AddMessage(StringBuilder text, IMessage message)
    {
        foreach (var field in message.Descriptor.Fields.InFieldNumberOrder())
        {
            if (field.HasPresence && !field.Accessor.HasValue(message))
            {
                continue;
            }

            var value = field.Accessor.GetValue(message);
            if (field.IsMap)
            {
                var kind = field.MessageType.FindFieldByNumber(2);
                foreach (var one in ((IDictionary)value).Values)
                {
                    Add(text, kind, one);
                }
            }
            else if (field.IsRepeated)
            {
                foreach (var one in (IEnumerable)value)
                {
                    Add(text, field, one);
                }
            }
            else if (field.HasPresence || !IsDefault(value))
            {
                Add(text, field, value);
            }
        }
    }

    private static void Add(StringBuilder text, FieldDescriptor field, object? value)
    {
        switch (field.FieldType)
        {
            case FieldType.Message or FieldType.Group:
                AddValue(text, value);
                break;
            case FieldType.Enum:
                var number = Convert.ToInt32(value, CultureInfo.InvariantCulture);
                AddWord(text, field.EnumType.FindValueByNumber(number)?.Name ?? Word(number));
                break;
            case not (FieldType.Bool or FieldType.Bytes):
                AddWord(text, Word(value));
                break;
        }
    }

    // The type of a wrapper of a single value (google.protobuf.Int64Value) is that value's.
    private static void AddValue(StringBuilder text, object? value)
    {
        if (value is IMessage message)
        {
            AddMessage(text, message);
        }
        else if (value is not (null or bool or ByteString))
        {
            AddWord(text, Word(value));
        }
    }

    private static void AddWord(StringBuilder text, string word) =>
        text.Append(text.Length == 0 || word.Length == 0 ? "" : " ").Append(word);

    private static string Word(object? value) => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";

    // A field without presence is in the payload when it is not 0 or empty.
    private static bool IsDefault(object value) =>
        value is string text ? text.Length == 0 : value is IConvertible && Convert.ToDouble(value, null) is 0;
}
