using System.Buffers;
using System.Text.Json;

namespace Ledger.Pages.Merging;

/// <summary>Each field takes what its newest writer wrote.</summary>
/// <param name="prefix">The keys that it decides.</param>
internal sealed class JsonFieldResolver(ReadOnlyMemory<byte> prefix) : KeyResolver("json-fields", prefix)
{
    /// <inheritdoc/>
    protected override async ValueTask DecideAsync(
        MergeContext context, MergeEntry entry, List<KeyWrite> writes, CancellationToken cancellationToken)
    {
        if (!JsonFieldTree.TryRead(entry.Left, out var merged) ||
            !writes.TrueForAll(write =>
                JsonFieldTree.TryRead(write.Before, out _) && JsonFieldTree.TryRead(write.After, out _)))
        {
            await TakeNewestAsync(context, entry, writes, cancellationToken);
            return;
        }

        // The left side has its own writes; laid over it in their order, each field ends with its newest one.
        foreach (var write in writes)
        {
            JsonFieldTree.TryRead(write.Before, out var before);
            JsonFieldTree.TryRead(write.After, out var after);
            merged.Apply(before, after);
        }

        if (merged.IsEmpty && writes[^1].After is null)
        {
            await context.DeleteAsync(entry.Key, cancellationToken);
            return;
        }

        await PutAsync(context, entry, writes, merged.ToBytes(), cancellationToken);
    }
}

/// <summary>Each element is in when its newest writer put it in, and out when that took it out.</summary>
/// <param name="prefix">The keys that it decides.</param>
internal sealed class SetUnionResolver(ReadOnlyMemory<byte> prefix) : KeyResolver("set-union", prefix)
{
    /// <inheritdoc/>
    protected override async ValueTask DecideAsync(
        MergeContext context, MergeEntry entry, List<KeyWrite> writes, CancellationToken cancellationToken)
    {
        var merged = Read(entry.Left);
        foreach (var write in writes)
        {
            if (merged is null || Read(write.Before) is not { } before || Read(write.After) is not { } after)
            {
                await TakeNewestAsync(context, entry, writes, cancellationToken);
                return;
            }

            merged.ExceptWith(before.Except(after));
            merged.UnionWith(after.Except(before));
        }

        if (merged is null || (merged.Count == 0 && writes[^1].After is null))
        {
            await context.DeleteAsync(entry.Key, cancellationToken);
            return;
        }

        var value = System.Text.Encoding.UTF8.GetBytes($"[{string.Join(',', merged)}]");
        await PutAsync(context, entry, writes, value, cancellationToken);
    }

    // The elements as compact JSON, in ordinal order; an absent set is empty. Null: it is no set.
    private static SortedSet<string>? Read(Entry? entry)
    {
        var elements = new SortedSet<string>(StringComparer.Ordinal);
        if (entry is not { } present)
        {
            return elements;
        }

        if (!JsonText.TryParse(present, JsonValueKind.Array, out var document))
        {
            return null;
        }

        using (document)
        {
            foreach (var element in document.RootElement.EnumerateArray())
            {
                if (!JsonText.IsText(element))
                {
                    return null;
                }

                elements.Add(JsonText.Compact(element));
            }

            return elements;
        }
    }
}

/// <summary>Reads values that are JSON.</summary>
internal static class JsonText
{
    /// <summary>Reads a value of a kind.</summary>
    /// <returns>False when the value is not here or is something else.</returns>
    public static bool TryParse(
        Entry entry, JsonValueKind kind, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out JsonDocument? document)
    {
        document = null;
        if (entry.Value is not { } value)
        {
            return false;
        }

        try
        {
            document = JsonDocument.Parse(value);
        }
        catch (JsonException)
        {
            return false;
        }

        if (document.RootElement.ValueKind == kind)
        {
            return true;
        }

        document.Dispose();
        document = null;
        return false;
    }

    /// <summary>
    /// Whether all names and strings are text: the grammar of JSON lets half of a surrogate pair be written as an
    /// escape, which no UTF-8 can say.
    /// </summary>
    public static bool IsText(JsonElement element)
    {
        try
        {
            switch (element.ValueKind)
            {
                case JsonValueKind.String:
                    _ = element.GetString();
                    return true;
                case JsonValueKind.Array:
                    return element.EnumerateArray().All(IsText);
                case JsonValueKind.Object:
                    return element.EnumerateObject().All(field => field.Name is not null && IsText(field.Value));
                default:
                    return true;
            }
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    /// <summary>The text of an element without white space.</summary>
    public static string Compact(JsonElement element)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            element.WriteTo(writer);
        }

        return System.Text.Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}

/// <summary>A JSON object as its fields: objects all the way down to values that are taken whole.</summary>
internal sealed class JsonFieldTree
{
    private readonly SortedDictionary<string, JsonFieldTree> _fields = new(StringComparer.Ordinal);

    // The compact text of a value that is no object; null for an object.
    private readonly string? _text;

    private JsonFieldTree(string? text = null) => _text = text;

    /// <summary>True for an object without fields.</summary>
    public bool IsEmpty => _text is null && _fields.Count == 0;

    /// <summary>Reads a value; an absent one has no fields.</summary>
    /// <returns>False when it is not a JSON object.</returns>
    public static bool TryRead(Entry? entry, out JsonFieldTree fields)
    {
        fields = new JsonFieldTree();
        if (entry is not { } present)
        {
            return true;
        }

        if (!JsonText.TryParse(present, JsonValueKind.Object, out var document))
        {
            return false;
        }

        using (document)
        {
            if (!JsonText.IsText(document.RootElement))
            {
                return false;
            }

            fields = Read(document.RootElement);
            return true;
        }
    }

    /// <summary>Makes the fields that differ between two objects what they are in the second one.</summary>
    public void Apply(JsonFieldTree before, JsonFieldTree after)
    {
        foreach (var name in before._fields.Keys.Union(after._fields.Keys).ToList())
        {
            var old = before._fields.GetValueOrDefault(name);
            if (!after._fields.TryGetValue(name, out var present))
            {
                _fields.Remove(name);
            }
            else if (present._text is not null || present.IsEmpty)
            {
                if (old is null || old._text != present._text || old.IsEmpty != present.IsEmpty)
                {
                    _fields[name] = new JsonFieldTree(present._text);
                }
            }
            else
            {
                if (!_fields.TryGetValue(name, out var mine) || mine._text is not null)
                {
                    _fields[name] = mine = new JsonFieldTree();
                }

                mine.Apply(old is { _text: null } ? old : new JsonFieldTree(), present);
            }
        }
    }

    /// <summary>Compact JSON, fields in ordinal order.</summary>
    public byte[] ToBytes()
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            Write(writer);
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static JsonFieldTree Read(JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.Object)
        {
            return new JsonFieldTree(JsonText.Compact(element));
        }

        var fields = new JsonFieldTree();
        foreach (var property in element.EnumerateObject())
        {
            fields._fields[property.Name] = Read(property.Value);
        }

        return fields;
    }

    private void Write(Utf8JsonWriter writer)
    {
        if (_text is not null)
        {
            writer.WriteRawValue(_text);
            return;
        }

        writer.WriteStartObject();
        foreach (var (name, field) in _fields)
        {
            writer.WritePropertyName(name);
            field.Write(writer);
        }

        writer.WriteEndObject();
    }
}
