using System.Text.Json;

namespace Ledger.Cli.Import;

/// <summary>Members of a line of JSON; what is wrong with one is said as a clause.</summary>
internal static class JsonMembers
{
    /// <summary>Reads an object; whoever asks disposes of it.</summary>
    /// <exception cref="FormatException">It is something else.</exception>
    public static JsonDocument ParseObject(ReadOnlyMemory<byte> line)
    {
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(line);
        }
        catch (JsonException error)
        {
            throw new FormatException("it is not JSON", error);
        }

        if (document.RootElement.ValueKind == JsonValueKind.Object)
        {
            return document;
        }

        document.Dispose();
        throw new FormatException("it is JSON, but not an object");
    }

    /// <summary>A member that is a string; null when it is absent and need not be there.</summary>
    /// <exception cref="FormatException">It is something else, or absent.</exception>
    public static string? Text(this JsonElement row, string name, bool required = false)
    {
        if (!row.TryGetProperty(name, out var element))
        {
            return required ? throw new FormatException($"it has no \"{name}\"") : null;
        }

        return element.ValueKind == JsonValueKind.String
            ? element.String(name)
            : throw new FormatException($"its \"{name}\" is not a string");
    }

    /// <summary>The text of a string.</summary>
    /// <exception cref="FormatException">It has half a surrogate pair.</exception>
    public static string String(this JsonElement element, string name)
    {
        try
        {
            return element.GetString()!;
        }
        catch (InvalidOperationException error)
        {
            // A lone surrogate, written as an escape: JSON allows it, text does not.
            throw new FormatException($"its \"{name}\" is not valid text", error);
        }
    }

    /// <summary>A member that is a whole number; the default when it is absent.</summary>
    /// <exception cref="FormatException">It is something else.</exception>
    public static long Number(this JsonElement row, string name, long absent) =>
        !row.TryGetProperty(name, out var element) ? absent
            : element.ValueKind == JsonValueKind.Number && element.TryGetInt64(out var number) ? number
            : throw new FormatException($"its \"{name}\" is not a whole number");

    /// <summary>A member that is an object of strings; empty when it is absent or null.</summary>
    /// <exception cref="FormatException">It is something else.</exception>
    public static Dictionary<string, string> Pairs(this JsonElement row, string name)
    {
        var pairs = new Dictionary<string, string>(StringComparer.Ordinal);
        if (!row.TryGetProperty(name, out var element) || element.ValueKind == JsonValueKind.Null)
        {
            return pairs;
        }

        if (element.ValueKind != JsonValueKind.Object)
        {
            throw new FormatException($"its \"{name}\" is not an object");
        }

        foreach (var member in element.EnumerateObject())
        {
            pairs[member.Name] = member.Value.ValueKind == JsonValueKind.String
                ? member.Value.String(name)
                : throw new FormatException($"its \"{name}\" has a value that is not a string");
        }

        return pairs;
    }

    /// <summary>A member that is an array of strings; empty when it is absent or null.</summary>
    /// <exception cref="FormatException">It is something else.</exception>
    public static List<string> Texts(this JsonElement row, string name)
    {
        if (!row.TryGetProperty(name, out var element) || element.ValueKind == JsonValueKind.Null)
        {
            return [];
        }

        if (element.ValueKind != JsonValueKind.Array
            || element.EnumerateArray().Any(item => item.ValueKind != JsonValueKind.String))
        {
            throw new FormatException($"its \"{name}\" is not an array of strings");
        }

        return [.. element.EnumerateArray().Select(item => item.String(name))];
    }
}
