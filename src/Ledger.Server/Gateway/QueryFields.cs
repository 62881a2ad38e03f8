using System.Collections;
using System.Globalization;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;

namespace Ledger.Server.Gateway;

/// <summary>Puts texts of a path or a query into the fields of a message.</summary>
internal static class QueryFields
{
    /// <summary>Sets one field; what no field is called like is skipped, as the original's gateway does.</summary>
    /// <param name="message">The message.</param>
    /// <param name="path">Names joined by dots, in either case; of a map with the key in brackets at the end.</param>
    /// <param name="text">The value.</param>
    /// <exception cref="ArgumentException">The value has the wrong type.</exception>
    public static void Set(IMessage message, string path, string text)
    {
        var bracket = path.IndexOf('[', StringComparison.Ordinal);
        var key = bracket >= 0 && path.EndsWith(']') ? path[(bracket + 1)..^1] : null;
        var names = (key is null ? path : path[..bracket]).Split('.');
        for (var depth = 0; depth < names.Length; depth++)
        {
            if (Find(message.Descriptor, names[depth]) is not { } field)
            {
                return;
            }

            if (depth < names.Length - 1)
            {
                if (field.FieldType != FieldType.Message || field.IsRepeated)
                {
                    return;
                }

                var inner = (IMessage?)field.Accessor.GetValue(message);
                if (inner is null)
                {
                    inner = field.MessageType.Parser.ParseFrom(ReadOnlySpan<byte>.Empty);
                    field.Accessor.SetValue(message, inner);
                }

                message = inner;
                continue;
            }

            SetField(message, field, key, text, path);
        }
    }

    private static void SetField(IMessage message, FieldDescriptor field, string? key, string text, string path)
    {
        if (field.IsMap)
        {
            if (key is not null)
            {
                ((IDictionary)field.Accessor.GetValue(message))[key] = text;
            }
        }
        else if (key is not null)
        {
            // Not a map: there is nothing of this name.
        }
        else if (field.IsRepeated)
        {
            ((IList)field.Accessor.GetValue(message)).Add(ValueOf(field, text, path));
        }
        else if (field.FieldType != FieldType.Message || field.MessageType == Timestamp.Descriptor)
        {
            field.Accessor.SetValue(message, ValueOf(field, text, path));
        }
    }

    private static FieldDescriptor? Find(MessageDescriptor type, string name) =>
        type.Fields.InDeclarationOrder().FirstOrDefault(field => field.Name == name || field.JsonName == name);

    private static object ValueOf(FieldDescriptor field, string text, string path)
    {
        switch (field.FieldType)
        {
            case FieldType.String:
                return text;
            case FieldType.Int64 when long.TryParse(
                text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number):
                return number;
            case FieldType.Bool when text is "1" or "t" or "T" or "true" or "True" or "TRUE":
                return true;
            case FieldType.Bool when text is "0" or "f" or "F" or "false" or "False" or "FALSE":
                return false;
            case FieldType.Message when DateTimeOffset.TryParse(
                text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time):
                return Timestamp.FromDateTimeOffset(time);
            default:
                throw new ArgumentException($"'{path}' is {WordOf(field.FieldType)}, not '{text}'.");
        }
    }

    private static string WordOf(FieldType type) => type switch
    {
        FieldType.Int64 => "a whole number",
        FieldType.Bool => "'true' or 'false'",
        _ => "a time such as 2026-01-31T12:00:00Z",
    };
}
