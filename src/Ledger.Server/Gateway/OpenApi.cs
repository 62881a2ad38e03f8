using System.Text.Json;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using Ledger.Server.Hosting;

namespace Ledger.Server.Gateway;

/// <summary>The gateway's description, made from the routes and the messages themselves.</summary>
internal static class OpenApi
{
    /// <summary>Where it is.</summary>
    public const string Path = "/openapi.json";

    private static readonly Lazy<byte[]> Made = new(Make);

    /// <summary>The document.</summary>
    public static byte[] Document => Made.Value;

    private static byte[] Make()
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("openapi", "3.1.0");
            json.WriteStartObject("info");
            json.WriteString("title", "Ledger");
            json.WriteString("version", DaemonVersion.Text);
            json.WriteString(
                "description", "Append-only streams. A name in a path is percent-encoded: '/' as %2F, ':' as %3A.");
            json.WriteEndObject();
            json.WriteStartObject("paths");
            foreach (var path in RouteTable.All.GroupBy(route => route.Pattern))
            {
                json.WriteStartObject("/" + path.Key);
                foreach (var route in path)
                {
                    Operation(json, route);
                }

                json.WriteEndObject();
            }

            json.WriteEndObject();
            Components(json);
            json.WriteEndObject();
        }

        return bytes.ToArray();
    }

    private static void Operation(Utf8JsonWriter json, Route route)
    {
        json.WriteStartObject(route.Method.ToLowerInvariant());
        json.WriteString("operationId", route.Name);
        json.WriteStartArray("parameters");
        if (route.Name != "Health")
        {
            Parameter(json, HttpGateway.StoreHeader, "header", isRequired: true);
        }

        var inPath = route.Segments.Where(segment => segment[0] == '{').Select(segment => segment[1..^1]).ToList();
        foreach (var name in inPath)
        {
            Parameter(json, name, "path", isRequired: true);
        }

        foreach (var field in route.HasBody ? [] : QueryNames(route.Request, "").Where(name => !inPath.Contains(name)))
        {
            Parameter(json, field, "query", isRequired: false);
        }

        json.WriteEndArray();
        if (route.HasBody)
        {
            json.WriteStartObject("requestBody");
            Content(json, "application/json", route.Request.Name);
            json.WriteEndObject();
        }

        json.WriteStartObject("responses");
        json.WriteStartObject("200");
        json.WriteString("description", route.Follow is null ? "Done." : "Events, until the caller ends it.");
        Content(json, route.Follow is null ? "application/json" : "text/event-stream", route.Response.Name);
        json.WriteEndObject();
        json.WriteStartObject("default");
        json.WriteString("description", "What went wrong.");
        Content(json, "application/json", "Error");
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static IEnumerable<string> QueryNames(MessageDescriptor type, string prefix) =>
        type.Fields.InFieldNumberOrder().SelectMany(field =>
            field.IsMap ? [$"{prefix}{field.Name}[key]"]
            : field.FieldType == FieldType.Message && field.MessageType != Timestamp.Descriptor
                ? QueryNames(field.MessageType, $"{prefix}{field.Name}.")
                : (IEnumerable<string>)[prefix + field.Name]);

    private static void Parameter(Utf8JsonWriter json, string name, string place, bool isRequired)
    {
        json.WriteStartObject();
        json.WriteString("name", name);
        json.WriteString("in", place);
        json.WriteBoolean("required", isRequired);
        json.WriteStartObject("schema");
        json.WriteString("type", "string");
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void Content(Utf8JsonWriter json, string type, string schema)
    {
        json.WriteStartObject("content");
        json.WriteStartObject(type);
        json.WriteStartObject("schema");
        json.WriteString("$ref", "#/components/schemas/" + schema);
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void Components(Utf8JsonWriter json)
    {
        json.WriteStartObject("components");
        json.WriteStartObject("schemas");
        var known = new Dictionary<string, MessageDescriptor>(StringComparer.Ordinal);
        foreach (var route in RouteTable.All)
        {
            Collect(route.Request, known);
            Collect(route.Response, known);
        }

        foreach (var type in known.Values.OrderBy(type => type.Name, StringComparer.Ordinal))
        {
            json.WriteStartObject(type.Name);
            json.WriteString("type", "object");
            json.WriteStartObject("properties");
            foreach (var field in type.Fields.InFieldNumberOrder())
            {
                json.WriteStartObject(field.JsonName);
                Schema(json, field);
                json.WriteEndObject();
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteStartObject("Error");
        json.WriteString("type", "object");
        json.WriteStartObject("properties");
        foreach (var (name, type) in new[] { ("code", "integer"), ("message", "string"), ("details", "array") })
        {
            json.WriteStartObject(name);
            json.WriteString("type", type);
            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteStartObject("securitySchemes");
        json.WriteStartObject("key");
        json.WriteString("type", "apiKey");
        json.WriteString("in", "header");
        json.WriteString("name", "x-api-key");
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteStartArray("security");
        json.WriteStartObject();
        json.WriteStartArray("key");
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndArray();
    }

    private static void Collect(MessageDescriptor type, Dictionary<string, MessageDescriptor> known)
    {
        if (type == Timestamp.Descriptor || !known.TryAdd(type.Name, type))
        {
            return;
        }

        foreach (var field in type.Fields.InFieldNumberOrder())
        {
            if (!field.IsMap && field.FieldType == FieldType.Message)
            {
                Collect(field.MessageType, known);
            }
        }
    }

    private static void Schema(Utf8JsonWriter json, FieldDescriptor field)
    {
        if (field.IsMap)
        {
            json.WriteString("type", "object");
            json.WriteStartObject("additionalProperties");
            json.WriteString("type", "string");
            json.WriteEndObject();
            return;
        }

        if (field.IsRepeated)
        {
            json.WriteString("type", "array");
            json.WriteStartObject("items");
        }

        switch (field.FieldType)
        {
            case FieldType.Message when field.MessageType == Timestamp.Descriptor:
                json.WriteString("type", "string");
                json.WriteString("format", "date-time");
                break;
            case FieldType.Message:
                json.WriteString("$ref", "#/components/schemas/" + field.MessageType.Name);
                break;
            case FieldType.Bool:
                json.WriteString("type", "boolean");
                break;
            case FieldType.Int32:
                json.WriteString("type", "integer");
                break;
            default:
                json.WriteString("type", "string");
                if (field.FieldType is FieldType.Int64 or FieldType.Bytes)
                {
                    json.WriteString("format", field.FieldType == FieldType.Int64 ? "int64" : "byte");
                }

                break;
        }

        if (field.IsRepeated)
        {
            json.WriteEndObject();
        }
    }
}
