using Ledger.Cli.Import;
using Ledger.Streams;

namespace Ledger.Cli.Streams;

/// <summary>An entry on its way from another store.</summary>
/// <param name="Place">Where it was read, as the subject of a sentence: "Line 17".</param>
/// <param name="Stream">Its stream.</param>
/// <param name="Entry">What is appended; its source id names it where it came from.</param>
/// <param name="Annotations">What is set afterwards.</param>
internal sealed record ImportedEntry(
    string Place, string Stream, NewEntry Entry, IReadOnlyDictionary<string, string> Annotations)
{
    private const long NanosPerTick = 100;

    /// <summary>Reads a line that 'stream export' or 'stream read --json' wrote.</summary>
    /// <param name="line">The line.</param>
    /// <param name="place">Where it stands.</param>
    /// <param name="source">Names the place it comes from, for entries that name none themselves.</param>
    /// <exception cref="FormatException">It is something else; the message says what, as a clause.</exception>
    public static ImportedEntry Parse(ReadOnlyMemory<byte> line, string place, string source)
    {
        using var document = JsonMembers.ParseObject(line);
        var row = document.RootElement;
        var payload = PayloadOf(row);
        return new ImportedEntry(
            place, row.Text("stream", required: true)!,
            new NewEntry(payload)
            {
                OrderKey = NotEmpty(row.Text("order_key")),
                DedupKey = NotEmpty(row.Text("dedup_key")),
                SourceId = NotEmpty(row.Text("source_id")) ?? $"{source}#{row.Text("id", required: true)}",
                SchemaVersion = VersionOf(row.Number("schema_version", absent: 1)),
                Metadata = row.Pairs("metadata"),
                Tags = row.Texts("tags"),
                CreatedAt = TimeOf(row, "created_at"),
                SearchText = PayloadText.Of(payload),
            },
            row.Pairs("annotations"));
    }

    /// <summary>Null for nothing: the original knows no difference.</summary>
    public static string? NotEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;

    /// <summary>The original stores 0 for entries whose writer said nothing.</summary>
    /// <exception cref="FormatException">It is out of range.</exception>
    public static int VersionOf(long number) => number is >= 0 and <= int.MaxValue
        ? Math.Max(1, (int)number) : throw new FormatException($"{number} is no schema version");

    private static byte[] PayloadOf(System.Text.Json.JsonElement row)
    {
        try
        {
            return Convert.FromBase64String(row.Text("payload") ?? "");
        }
        catch (FormatException error) when (error.InnerException is null && row.TryGetProperty("payload", out var value)
            && value.ValueKind == System.Text.Json.JsonValueKind.String)
        {
            throw new FormatException("its \"payload\" is not base64", error);
        }
    }

    private static DateTimeOffset? TimeOf(System.Text.Json.JsonElement row, string name)
    {
        if (!row.TryGetProperty(name, out var time) || time.ValueKind == System.Text.Json.JsonValueKind.Null)
        {
            return null;
        }

        if (time.ValueKind != System.Text.Json.JsonValueKind.Object)
        {
            throw new FormatException($"its \"{name}\" is not an object");
        }

        var (seconds, nanos) = (time.Number("seconds", absent: 0), time.Number("nanos", absent: 0));
        try
        {
            return DateTimeOffset.FromUnixTimeSeconds(seconds).AddTicks(nanos / NanosPerTick);
        }
        catch (ArgumentOutOfRangeException error)
        {
            throw new FormatException($"its \"{name}\" is no time", error);
        }
    }
}
