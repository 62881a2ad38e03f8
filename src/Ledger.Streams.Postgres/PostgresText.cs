using System.Text;

namespace Ledger.Streams.Postgres;

/// <summary>Text as the server takes it, and words as its index has them.</summary>
/// <remarks>Words are made here and not by the server, whose ideas of them depend on its locale.</remarks>
internal static class PostgresText
{
    /// <summary>Longer words are not indexed: the server takes 2,046 bytes.</summary>
    private const int WordLengthMax = 500;

    /// <summary>Characters of all words of an entry: the server takes 1 MiB of them with their overhead.</summary>
    private const int WordsLengthMax = 100_000;

    /// <summary>The text without what the server refuses: NUL becomes a space, half a pair U+FFFD.</summary>
    public static string? Clean(string? text)
    {
        if (text is null || text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') < 0 && !text.Contains('\0'))
        {
            return text;
        }

        var clean = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            clean.Append(rune.Value == 0 ? " " : rune.ToString());
        }

        return clean.ToString();
    }

    /// <summary>The words of a text, each once, separated by spaces; null when there are none.</summary>
    public static string? Words(string? text)
    {
        if (text is null)
        {
            return null;
        }

        var length = 0;
        var words = Split(text).Where(word => word.Length <= WordLengthMax).Distinct(StringComparer.Ordinal)
            .TakeWhile(word => (length += word.Length + 1) <= WordsLengthMax);
        return string.Join(' ', words) is { Length: > 0 } joined ? joined : null;
    }

    /// <summary>A query for all words of a text; null when it has none, or one that is never indexed.</summary>
    /// <remarks>Words are letters and digits: no operator of the query language is left.</remarks>
    public static string? Query(string text)
    {
        var words = Split(text);
        return words.Length > 0 && words.All(word => word.Length <= WordLengthMax)
            ? string.Join(" & ", words.Select(word => $"'{word}'")) : null;
    }

    private static string[] Split(string text)
    {
        var upper = text.ToUpperInvariant();
        return upper.Split(
            [.. upper.Where(c => !char.IsLetterOrDigit(c) && !char.IsSurrogate(c)).Distinct()],
            StringSplitOptions.RemoveEmptyEntries);
    }
}
