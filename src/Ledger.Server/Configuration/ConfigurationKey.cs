namespace Ledger.Server.Configuration;

/// <summary>A key of the configuration: what it takes, what it is when it is missing, what it means.</summary>
/// <param name="Path">Names joined by dots; <c>[]</c> after a list of sections.</param>
/// <param name="Kind">What it takes.</param>
/// <param name="Default">What it is when it is missing, as it would be written; empty for nothing.</param>
/// <param name="Meaning">One or two sentences for whoever edits the file.</param>
internal sealed record ConfigurationKey(string Path, ValueKind Kind, string Default, string Meaning)
{
    /// <summary>A running daemon takes a new value when it is asked to reload.</summary>
    public bool IsReloadable { get; init; }

    /// <summary>It is never shown.</summary>
    public bool IsSecret { get; init; }

    /// <summary>The smallest number, or the shortest duration in seconds.</summary>
    public double Min { get; init; }

    /// <summary>The largest number, or the longest duration in seconds.</summary>
    public double Max { get; init; } = double.MaxValue;

    /// <summary>The words it may be; empty for any text.</summary>
    public IReadOnlyList<string> Words { get; init; } = [];
}

/// <summary>What a key takes.</summary>
internal enum ValueKind
{
    /// <summary>Text, whatever it looks like.</summary>
    Text,

    /// <summary>A whole number.</summary>
    Number,

    /// <summary>A number with a fraction.</summary>
    Fraction,

    /// <summary>A length of time such as <c>5s</c> or <c>1m30s</c>.</summary>
    Duration,

    /// <summary><c>true</c> or <c>false</c>.</summary>
    Flag,

    /// <summary>A list of texts; in the environment they are separated by commas.</summary>
    Texts,

    /// <summary>A list of sections, each with the keys below it.</summary>
    Sections,

    /// <summary>Something that this version does not have: it may be named, but only empty.</summary>
    Later,
}
