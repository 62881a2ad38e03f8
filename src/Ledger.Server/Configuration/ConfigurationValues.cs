using System.Globalization;

namespace Ledger.Server.Configuration;

/// <summary>A value that was given, and where.</summary>
/// <param name="Raw">As it was written: a text, a list of texts or a list of sections.</param>
/// <param name="Source">Where: a line of the file, or a name in the environment.</param>
internal sealed record GivenValue(object Raw, string Source);

/// <summary>
/// What was given for the keys of the configuration or of one section of a list, read by the type that each key takes.
/// </summary>
/// <param name="prefix">What stands before the paths of the table: empty, or a list such as <c>hooks[].</c>.</param>
/// <param name="where">What stands for it in a sentence: empty, or one section such as <c>hooks[0].</c>.</param>
/// <param name="given">The values given, by path without the prefix.</param>
/// <param name="problems">Where sentences about wrong values are put.</param>
internal sealed class ConfigurationValues(
    string prefix, string where, IReadOnlyDictionary<string, GivenValue> given, List<string> problems)
{
    /// <summary>Where sentences about wrong values are put.</summary>
    public List<string> Problems { get; } = problems;

    /// <summary>Whether it was given, even as nothing.</summary>
    public bool IsGiven(string path) => given.ContainsKey(path);

    /// <summary>A key as it is named in sentences, with where it was given.</summary>
    public string Name(string path) =>
        $"'{where}{path}'{(given.TryGetValue(path, out var value) ? $" ({value.Source})" : "")}";

    /// <summary>Notes a problem with a key.</summary>
    /// <param name="path">The key.</param>
    /// <param name="predicate">What follows its name: a sentence without its subject.</param>
    public void Refuse(string path, string predicate) => Problems.Add($"{Name(path)} {predicate}");

    /// <summary>A text.</summary>
    public string Text(string path) => Read(path, ValueKind.Text, (key, text) => text, "");

    /// <summary>A text that is one of the key's words.</summary>
    public string Word(string path) => Read(
        path, ValueKind.Text,
        (key, text) => key.Words.Contains(text, StringComparer.Ordinal)
            ? text
            : throw new FormatException($"is one of {string.Join(", ", key.Words)}"),
        "");

    /// <summary>A whole number.</summary>
    public long Number(string path) => Read(
        path, ValueKind.Number,
        (key, text) => long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value)
            && value >= key.Min && value <= key.Max
            ? value
            : throw new FormatException($"is a whole number from {key.Min:0} to {key.Max:0}"),
        0L);

    /// <summary>A number with a fraction.</summary>
    public double Fraction(string path) => Read(
        path, ValueKind.Fraction,
        (key, text) => double.TryParse(
            text, NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture,
            out var value) && value >= key.Min && value <= key.Max
            ? value
            : throw new FormatException(
                string.Create(CultureInfo.InvariantCulture, $"is a number from {key.Min} to {key.Max}")),
        0d);

    /// <summary>A length of time.</summary>
    public TimeSpan Duration(string path) => Read(
        path, ValueKind.Duration,
        (key, text) => DurationText.TryParse(text, out var value)
            && value.TotalSeconds >= key.Min && value.TotalSeconds <= key.Max
            ? value
            : throw new FormatException(string.Create(
                CultureInfo.InvariantCulture,
                $"is a length of time such as '5s' or '1m30s', from {key.Min} to {key.Max} seconds")),
        TimeSpan.Zero);

    /// <summary>Yes or no.</summary>
    public bool Flag(string path) => Read(
        path, ValueKind.Flag,
        (key, text) => text.ToUpperInvariant() switch
        {
            "TRUE" => true,
            "FALSE" => false,
            _ => throw new FormatException("is 'true' or 'false'"),
        },
        false);

    /// <summary>Texts.</summary>
    public IReadOnlyList<string> Texts(string path)
    {
        Key(path, ValueKind.Texts);
        return given.TryGetValue(path, out var value) ? (IReadOnlyList<string>)value.Raw : [];
    }

    /// <summary>Sections.</summary>
    public IReadOnlyList<ConfigurationValues> Sections(string path)
    {
        Key(path, ValueKind.Sections);
        return given.TryGetValue(path, out var value) ? (IReadOnlyList<ConfigurationValues>)value.Raw : [];
    }

    /// <summary>Whether a key was given the same in both.</summary>
    public bool IsSame(ConfigurationValues other, string path)
    {
        var (mine, others) = (TextOf(this), TextOf(other));
        return mine == others;

        string TextOf(ConfigurationValues values) => values.GivenOrDefault(path);
    }

    private string GivenOrDefault(string path) =>
        !given.TryGetValue(path, out var value) ? ConfigurationTable.Find(prefix + path)!.Default
        : value.Raw is IReadOnlyList<string> texts ? string.Join('\n', texts)
        : value.Raw as string ?? "";

    private T Read<T>(string path, ValueKind kind, Func<ConfigurationKey, string, T> parse, T empty)
    {
        var key = Key(path, kind);
        var text = given.TryGetValue(path, out var value) ? (string)value.Raw : key.Default;
        if (value is null && text.Length == 0)
        {
            return empty;
        }

        try
        {
            return parse(key, text);
        }
        catch (FormatException error)
        {
            // What was given is shown, because that is how it is found; a secret is not.
            Refuse(path, key.IsSecret ? error.Message + "." : $"{error.Message}, not '{text}'.");
            return empty;
        }
    }

    private ConfigurationKey Key(string path, ValueKind kind)
    {
        var key = ConfigurationTable.Find(prefix + path);
        return key?.Kind == kind
            ? key
            : throw new InvalidOperationException($"The table of keys has no '{prefix}{path}' that is {kind}.");
    }
}
