using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace Ledger.Tests.Rpc;

/// <summary>Messages of any type.</summary>
internal static class SampleMessages
{
    /// <summary>A message with something in every field but <c>all</c>, which would exclude others.</summary>
    public static IMessage Of(MessageDescriptor type, int depth = 0)
    {
        var message = type.Parser.ParseFrom([]);
        foreach (var field in type.Fields.InDeclarationOrder().Where(_ => depth < 4))
        {
            if (field.IsMap)
            {
                ((System.Collections.IDictionary)field.Accessor.GetValue(message))["key"] = "value";
            }
            else if (field.IsRepeated)
            {
                ((System.Collections.IList)field.Accessor.GetValue(message)).Add(Value(field, depth));
            }
            else
            {
                field.Accessor.SetValue(message, Value(field, depth));
            }
        }

        return message;
    }

    private static object Value(FieldDescriptor field, int depth) => field.FieldType switch
    {
        FieldType.String => field.Name is "id" or "before_id" or "after" ? "1" : "s",
        FieldType.Bytes => ByteString.CopyFromUtf8("\"text\""),
        FieldType.Bool => field.Name != "all",
        FieldType.Int32 => 1,
        FieldType.Int64 => 1L,
        FieldType.Enum => 0,
        FieldType.Message => Of(field.MessageType, depth + 1),
        _ => throw new InvalidOperationException($"There is no sample of {field.FieldType}."),
    };
}
