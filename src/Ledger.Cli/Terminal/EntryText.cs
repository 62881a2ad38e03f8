using System.Text;
using System.Text.Json;
using Ledger.Pages;

namespace Ledger.Cli.Terminal;

/// <summary>Entries as JSON members and as text; the names are relied on by scripts.</summary>
internal static class EntryText
{
    private const int ChunkSizeBytes = 48 * 1024;

    /// <summary>Writes <c>"key"</c>, and <c>"key_encoding"</c> where the key is not text.</summary>
    public static void WriteKey(this Utf8JsonWriter json, ReadOnlySpan<byte> key)
    {
        WriteBytes(json, "key", key);
        if (!ByteFormats.IsText(key))
        {
            json.WriteString("key_encoding", "base64");
        }
    }

    /// <summary>Writes <c>"value"</c>, and <c>"encoding"</c> where the value is not text.</summary>
    public static void WriteValue(this Utf8JsonWriter json, ReadOnlySpan<byte> value)
    {
        WriteBytes(json, "value", value);
        if (!ByteFormats.IsText(value))
        {
            json.WriteString("encoding", "base64");
        }
    }

    /// <summary>Writes key and value, or what is known of a value that is not here or too large for a line.</summary>
    public static void WriteEntry(this Utf8JsonWriter json, Entry entry)
    {
        json.WriteKey(entry.Key.Span);
        if (entry.Value is { } value)
        {
            json.WriteValue(value.Span);
        }
        else
        {
            json.WriteNull("value");
            json.WriteNumber("size", entry.SizeBytes);
        }

        if (entry.State == ValueState.NeedsFetch)
        {
            json.WriteBoolean("lazy", true);
        }
    }

    /// <summary>
    /// Writes <c>"key"</c>, <c>"before"</c> and <c>"after"</c>: null where the key was absent, null with a
    /// <c>_size</c> beside it where the value is too large for a line. One encoding for both.
    /// </summary>
    public static void WriteChange(this Utf8JsonWriter json, EntryChange change)
    {
        json.WriteKey(change.Key.Span);
        var isText = IsText(change.Before) && IsText(change.After);
        WriteSide(json, "before", change.Before, isText);
        WriteSide(json, "after", change.After, isText);
        if (!isText)
        {
            json.WriteString("encoding", "base64");
        }
    }

    /// <summary>Writes several values of one key, as <see cref="WriteChange"/> does; one encoding for all.</summary>
    public static void WriteValues(this Utf8JsonWriter json, params ReadOnlySpan<(string Name, Entry? Entry)> values)
    {
        var isText = true;
        foreach (var (_, entry) in values)
        {
            isText &= IsText(entry);
        }

        foreach (var (name, entry) in values)
        {
            WriteSide(json, name, entry, isText);
        }

        if (!isText)
        {
            json.WriteString("encoding", "base64");
        }
    }

    /// <summary>Writes one entry as a line of JSON that import reads; a large value is streamed as base64.</summary>
    public static async Task WriteExportLineAsync(
        this Output output, Entry entry, IPageSnapshot snapshot, CancellationToken cancellationToken)
    {
        if (entry.State != ValueState.Large)
        {
            output.Json(json => json.WriteEntry(entry));
            return;
        }

        await using var value = await snapshot.OpenReadAsync(entry.Key, cancellationToken)
            ?? throw new InvalidOperationException("A snapshot lost an entry that it listed.");
        using var head = new MemoryStream();
        using (var json = new Utf8JsonWriter(head))
        {
            json.WriteStartObject();
            json.WriteKey(entry.Key.Span);
            json.WriteString("encoding", "base64");
            json.WriteEndObject();
        }

        // The object is closed after the value, whose base64 never is in memory as a whole.
        output.Raw.Write(head.GetBuffer().AsSpan(0, (int)head.Length - 1));
        output.Raw.Write(",\"value\":\""u8);
        var chunk = new byte[ChunkSizeBytes];
        int read;
        while ((read = await value.ReadAtLeastAsync(
            chunk, chunk.Length, throwOnEndOfStream: false, cancellationToken)) > 0)
        {
            output.Raw.Write(Encoding.ASCII.GetBytes(Convert.ToBase64String(chunk.AsSpan(0, read))));
        }

        output.Raw.Write("\"}\n"u8);
    }

    /// <summary>
    /// A value as a piece of a line: as it is asked for, or its size where it cannot stand in one.
    /// </summary>
    public static ReadOnlyMemory<byte> TextOf(Entry entry, ByteFormat format)
    {
        if (entry.Value is { } value && (format != ByteFormat.Utf8 || ByteFormats.IsText(value.Span)))
        {
            return LineText.Escape(format.Format(value));
        }

        return Encoding.ASCII.GetBytes(entry.State == ValueState.NeedsFetch
            ? $"({entry.SizeBytes} bytes, not on this device)"
            : $"({entry.SizeBytes} bytes)");
    }

    private static bool IsText(Entry? entry) => entry?.Value is not { } value || ByteFormats.IsText(value.Span);

    private static void WriteSide(Utf8JsonWriter json, string name, Entry? entry, bool isText)
    {
        switch (entry)
        {
            case { Value: { } value } when isText:
                json.WriteString(name, value.Span);
                break;
            case { Value: { } value }:
                json.WriteBase64String(name, value.Span);
                break;
            case { } large:
                json.WriteNull(name);
                json.WriteNumber(name + "_size", large.SizeBytes);
                break;
            default:
                json.WriteNull(name);
                break;
        }
    }

    private static void WriteBytes(Utf8JsonWriter json, string name, ReadOnlySpan<byte> content)
    {
        if (ByteFormats.IsText(content))
        {
            json.WriteString(name, content);
        }
        else
        {
            json.WriteBase64String(name, content);
        }
    }
}
