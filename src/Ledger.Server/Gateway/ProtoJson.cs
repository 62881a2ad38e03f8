using System.Collections;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;

namespace Ledger.Server.Gateway;

/// <summary>
/// Messages as JSON in the mapping of protobuf, as the original's gateway writes it: lowerCamelCase, 64-bit integers
/// as strings, bytes as base64, and what is unset is there too.
/// </summary>
internal static class ProtoJson
{
    /// <summary>Escapes what JSON must have escaped, and nothing else: answers are never part of a page.</summary>
    public static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static readonly JsonParser Parser = new(JsonParser.Settings.Default.WithIgnoreUnknownFields(true));

    /// <summary>Reads a message; names in either case, unknown ones are skipped.</summary>
    /// <exception cref="ArgumentException">It is not JSON, or a value has the wrong type.</exception>
    public static IMessage Parse(string text, MessageDescriptor type)
    {
        try
        {
            try
            {
                return Parser.Parse(text, type);
            }
            catch (Exception error) when (error is InvalidProtocolBufferException or FormatException)
            {
                // The mapping has bytes in either alphabet, padded or not; the parser takes one form of the four.
                return Parser.Parse(WithPlainBytes(text, type), type);
            }
        }
        catch (Exception error) when (error is InvalidJsonException or InvalidProtocolBufferException
            or FormatException or OverflowException or JsonException)
        {
            throw new ArgumentException($"The body is not JSON for {type.Name}: {error.Message.TrimEnd('.')}.", error);
        }
    }

    /// <summary>Writes a message.</summary>
    public static byte[] ToBytes(IMessage message)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes, Plain))
        {
            Write(json, message, isSparse: false);
        }

        return bytes.ToArray();
    }

    /// <summary>Writes a message as an object.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="message">The message.</param>
    /// <param name="isSparse">Leave out what is unset.</param>
    public static void Write(Utf8JsonWriter json, IMessage message, bool isSparse)
    {
        json.WriteStartObject();
        WriteMembers(json, message, isSparse);
        json.WriteEndObject();
    }

    /// <summary>Writes the members of a message into an object that is begun.</summary>
    /// <inheritdoc cref="Write"/>
    public static void WriteMembers(Utf8JsonWriter json, IMessage message, bool isSparse)
    {
        foreach (var field in message.Descriptor.Fields.InFieldNumberOrder())
        {
            var value = field.Accessor.GetValue(message);
            var isSet = field.HasPresence ? field.Accessor.HasValue(message) : !IsEmpty(field, value);
            if (!isSet && (isSparse || field.ContainingOneof is not null))
            {
                continue;
            }

            json.WritePropertyName(field.JsonName);
            if (!isSet && field.HasPresence)
            {
                json.WriteNullValue();
            }
            else if (field.IsMap)
            {
                WriteMap(json, field, (IDictionary)value, isSparse);
            }
            else if (field.IsRepeated)
            {
                json.WriteStartArray();
                foreach (var item in (IList)value)
                {
                    WriteValue(json, field, item, isSparse);
                }

                json.WriteEndArray();
            }
            else
            {
                WriteValue(json, field, value, isSparse);
            }
        }
    }

    private static string WithPlainBytes(string text, MessageDescriptor type)
    {
        var root = JsonNode.Parse(text);
        Normalize(root, type);
        return root?.ToJsonString() ?? text;
    }

    private static void Normalize(JsonNode? node, MessageDescriptor type)
    {
        if (node is not JsonObject members)
        {
            return;
        }

        foreach (var field in type.Fields.InDeclarationOrder().Where(field => !field.IsMap))
        {
            foreach (var name in new[] { field.JsonName, field.Name }.Distinct())
            {
                if (members[name] is JsonArray items && field.IsRepeated && field.FieldType == FieldType.Message)
                {
                    foreach (var item in items)
                    {
                        Normalize(item, field.MessageType);
                    }
                }
                else if (field.FieldType == FieldType.Message)
                {
                    Normalize(members[name], field.MessageType);
                }
                else if (field.FieldType == FieldType.Bytes && members[name] is JsonValue value
                    && value.TryGetValue<string>(out var given))
                {
                    var plain = given.Replace('-', '+').Replace('_', '/').TrimEnd('=');
                    members[name] = plain.PadRight((plain.Length + 3) / 4 * 4, '=');
                }
            }
        }
    }

    private static void WriteMap(Utf8JsonWriter json, FieldDescriptor field, IDictionary map, bool isSparse)
    {
        json.WriteStartObject();
        var item = field.MessageType.FindFieldByNumber(2);
        foreach (var key in map.Keys.Cast<string>().Order(StringComparer.Ordinal))
        {
            json.WritePropertyName(key);
            WriteValue(json, item, map[key]!, isSparse);
        }

        json.WriteEndObject();
    }

    private static void WriteValue(Utf8JsonWriter json, FieldDescriptor field, object value, bool isSparse)
    {
        switch (value)
        {
            case string text:
                json.WriteStringValue(text);
                break;
            case long or ulong:
                json.WriteStringValue(((IFormattable)value).ToString(null, CultureInfo.InvariantCulture));
                break;
            case int number:
                json.WriteNumberValue(number);
                break;
            case bool flag:
                json.WriteBooleanValue(flag);
                break;
            case ByteString bytes:
                json.WriteBase64StringValue(bytes.Span);
                break;
            case Timestamp time:
                // Quoted already: the mapping has its own form of times.
                json.WriteRawValue(JsonFormatter.Default.Format(time));
                break;
            case IMessage message:
                Write(json, message, isSparse);
                break;
            default:
                json.WriteStringValue(field.EnumType.FindValueByNumber((int)value)?.Name
                    ?? ((int)value).ToString(CultureInfo.InvariantCulture));
                break;
        }
    }

    private static bool IsEmpty(FieldDescriptor field, object value) => value switch
    {
        _ when field.IsRepeated => value is ICollection { Count: 0 },
        string text => text.Length == 0,
        long number => number == 0,
        int number => number == 0,
        bool flag => !flag,
        ByteString bytes => bytes.IsEmpty,
        System.Enum word => Convert.ToInt32(word, CultureInfo.InvariantCulture) == 0,
        _ => false,
    };
}
