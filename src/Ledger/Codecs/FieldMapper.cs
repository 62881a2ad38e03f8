using System.Buffers;
using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Ledger.Codecs;

/// <summary>Changes fields of a JSON object, in the order in which the changes are given.</summary>
/// <remarks>
/// Immutable: each method gives a new mapper. What is not named stays where and as it is, numbers to the last digit. A
/// payload that is null stays null. Names mean fields of the object itself.
/// </remarks>
public sealed class FieldMapper
{
    private readonly ImmutableList<Action<JsonObject>> _changes;

    /// <summary>A mapper that changes nothing.</summary>
    public FieldMapper()
        : this([])
    {
    }

    private FieldMapper(ImmutableList<Action<JsonObject>> changes) => _changes = changes;

    /// <summary>Gives a field another name, in the same place; a field that has the new name is replaced.</summary>
    public FieldMapper Rename(string field, string newName) => With(json =>
    {
        if (field != newName && json.IndexOf(field) is >= 0 and var index)
        {
            var value = json[field];
            json.RemoveAt(index);
            var other = json.IndexOf(newName);
            if (other >= 0)
            {
                json.RemoveAt(other);
                index -= other < index ? 1 : 0;
            }

            json.Insert(index, newName, value);
        }
    });

    /// <summary>Adds a field where it is absent; null counts as present.</summary>
    /// <param name="field">The field.</param>
    /// <param name="value">Copied for each payload.</param>
    public FieldMapper Default(string field, JsonNode? value) => With(json =>
    {
        if (!json.ContainsKey(field))
        {
            json.Add(field, value?.DeepClone());
        }
    });

    /// <summary>Removes a field.</summary>
    public FieldMapper Remove(string field) => With(json => json.Remove(field));

    /// <summary>Changes the value of a field where it is present.</summary>
    /// <param name="field">The field.</param>
    /// <param name="convert">Gets the value, null for null; pure.</param>
    public FieldMapper Convert(string field, Func<JsonNode?, JsonNode?> convert) => With(json =>
    {
        if (json.ContainsKey(field))
        {
            var converted = convert(json[field]);
            json[field] = converted?.Parent is null ? converted : converted.DeepClone();
        }
    });

    /// <summary>Moves fields into an object, which is made at the end unless it is there.</summary>
    /// <param name="parent">The object's name.</param>
    /// <param name="fields">The fields; absent ones are left out.</param>
    public FieldMapper Nest(string parent, params string[] fields) => With(json =>
    {
        var nested = json[parent] as JsonObject ?? [];
        foreach (var field in fields.Where(field => field != parent && json.ContainsKey(field)))
        {
            var value = json[field];
            json.Remove(field);
            nested[field] = value;
        }

        if (nested.Parent is null)
        {
            json[parent] = nested;
        }
    });

    /// <summary>Does the changes.</summary>
    /// <exception cref="SchemaException">The payload is not a JSON object.</exception>
    public ReadOnlyMemory<byte> Apply(ReadOnlyMemory<byte> payload)
    {
        try
        {
            var node = JsonNode.Parse(payload.Span);
            if (node is null)
            {
                return payload;
            }

            if (node is not JsonObject json)
            {
                throw new SchemaException("The payload is not a JSON object, so that it has no fields.", 0);
            }

            _changes.ForEach(change => change(json));
            var buffer = new ArrayBufferWriter<byte>();
            using (var writer = new Utf8JsonWriter(buffer))
            {
                json.WriteTo(writer);
            }

            return buffer.WrittenMemory;
        }
        catch (Exception error) when (error is JsonException or ArgumentException)
        {
            throw new SchemaException($"The payload is not a JSON object: {error.Message}", 0, error);
        }
    }

    private FieldMapper With(Action<JsonObject> change) => new(_changes.Add(change));
}
