using System.CommandLine;
using System.Globalization;
using Ledger.Streams;

namespace Ledger.Cli.Streams;

/// <summary>Options that say which entries are meant; each is declared by the commands that take it.</summary>
internal sealed class EntryOptions
{
    private const int LimitDefault = 100;

    /// <summary>The cursor.</summary>
    public Option<string?> After { get; } = new("--after")
    {
        Description = "Only entries after this id; with --all, after this position",
        HelpName = "ID",
    };

    /// <summary>Entries at most.</summary>
    public Option<int?> Limit { get; } = CreateLimit($"At most so many; 0 is the default of {LimitDefault}");

    /// <summary>Newest first.</summary>
    public Option<bool> Descending { get; } = new("--desc") { Description = "Newest first" };

    /// <summary>Every stream of the store.</summary>
    public Option<bool> All { get; } = new("--all")
    {
        Description = "Every stream of the store, in the order of commit",
    };

    /// <summary>The order key.</summary>
    public Option<string?> OrderKey { get; } = new("--order-key")
    {
        Description = "Only entries with this order key",
        HelpName = "KEY",
    };

    /// <summary>Tags, all of which an entry has.</summary>
    public Option<string[]> Tags { get; } = CreateTags("Only entries that have this tag; again for more");

    /// <summary>Metadata that an entry has.</summary>
    public Option<string[]> Metadata { get; } = CreatePairs(
        "--meta", "Only entries with this metadata; again for more");

    /// <summary>Annotations that an entry has.</summary>
    public Option<string[]> Annotations { get; } = CreatePairs(
        "--annotation", "Only entries with this annotation; again for more");

    /// <summary>An option for a number of things; null when it was not given.</summary>
    public static Option<int?> CreateLimit(string description) => Commands.RangeOptions.CreateLimit(description);

    /// <summary>An option for tags.</summary>
    public static Option<string[]> CreateTags(string description) => new("--tag", "-t")
    {
        Description = description,
        HelpName = "TAG",
        DefaultValueFactory = _ => [],
    };

    /// <summary>An option for pairs.</summary>
    public static Option<string[]> CreatePairs(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "KEY=VALUE",
        DefaultValueFactory = _ => [],
    };

    /// <summary>Declares what filters.</summary>
    public void AddFilterTo(Command command)
    {
        command.Add(OrderKey);
        command.Add(Tags);
        command.Add(Metadata);
        command.Add(Annotations);
    }

    /// <summary>Which entries are meant.</summary>
    public EntryFilter FilterOf(CommandContext context) => new()
    {
        OrderKey = string.IsNullOrEmpty(context.Parse.GetValue(OrderKey)) ? null : context.Parse.GetValue(OrderKey),
        Tags = context.Parse.GetValue(Tags)!,
        Metadata = PairsOf(context, Metadata),
        Annotations = PairsOf(context, Annotations),
    };

    /// <summary>Entries at most: 100 when it was not said.</summary>
    public int LimitOf(CommandContext context) =>
        context.Parse.GetValue(Limit) is { } limit and > 0 ? limit : LimitDefault;

    /// <summary>The id after which entries are meant; zero for all.</summary>
    public EntryId AfterOf(CommandContext context) => ValueOf<EntryId>(context, After, "the id of an entry") ?? default;

    /// <summary>The position after which entries are meant; zero for all.</summary>
    public Position AfterPositionOf(CommandContext context) =>
        ValueOf<Position>(context, After, "a position with --all") ?? default;

    /// <summary>What an option gives, or null when it was not given.</summary>
    public static T? ValueOf<T>(CommandContext context, Option<string?> option, string what)
        where T : struct, ISpanParsable<T>
    {
        if (context.Parse.GetValue(option) is not { } text)
        {
            return null;
        }

        return T.TryParse(text, CultureInfo.InvariantCulture, out var value)
            ? value : throw CliException.Usage($"{option.Name} is {what}, not '{text}'.");
    }

    /// <summary>Pairs that an option gives.</summary>
    public static IReadOnlyDictionary<string, string> PairsOf(CommandContext context, Option<string[]> option)
    {
        var pairs = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var text in context.Parse.GetValue(option)!)
        {
            var (key, value) = Split(text);
            if (key.Length == 0 || value is null)
            {
                throw CliException.Usage($"{option.Name} is KEY=VALUE, not '{text}'.");
            }

            pairs[key] = value;
        }

        return pairs;
    }

    /// <summary>What stands before the first equals sign, and what after it; null when there is none.</summary>
    public static (string Key, string? Value) Split(string text)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        return equals < 0 ? (text, null) : (text[..equals], text[(equals + 1)..]);
    }
}
