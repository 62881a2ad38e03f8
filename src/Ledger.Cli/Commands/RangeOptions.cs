using System.CommandLine;

namespace Ledger.Cli.Commands;

/// <summary>Which part of a page a listing shows, and in which order.</summary>
internal sealed class RangeOptions
{
    private readonly Option<string?> _start = new("--start")
    {
        Description = "Only keys from this one on",
        HelpName = "KEY",
    };

    private readonly Option<string?> _end = new("--end")
    {
        Description = "Only keys before this one",
        HelpName = "KEY",
    };

    private readonly Option<bool> _reverse = new("--reverse") { Description = "Descending by key" };

    private readonly Option<int?> _limit = CreateLimit("At most so many");

    /// <summary>An option for a number of things that is not negative.</summary>
    public static Option<int?> CreateLimit(string description)
    {
        var limit = new Option<int?>("--limit") { Description = description, HelpName = "N" };
        limit.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && (!int.TryParse(result.Tokens[0].Value, out var count) || count < 0))
            {
                result.AddError($"--limit is a number from 0 on, not '{result.Tokens[0].Value}'.");
            }
        });
        return limit;
    }

    /// <summary>Declares all of them.</summary>
    public void AddTo(Command command)
    {
        AddBoundsTo(command);
        command.Add(_reverse);
        command.Add(_limit);
    }

    /// <summary>Declares the bounds only.</summary>
    public void AddBoundsTo(Command command)
    {
        command.Add(_start);
        command.Add(_end);
    }

    /// <summary>First key that is shown, and first that is not any more; null for no bound.</summary>
    public (ReadOnlyMemory<byte>? Start, ReadOnlyMemory<byte>? End) Bounds(CommandContext context) =>
        (Bound(context, _start), Bound(context, _end));

    /// <summary>Whether the order is descending.</summary>
    public bool IsReverse(CommandContext context) => context.Parse.GetValue(_reverse);

    /// <summary>As many as are asked for.</summary>
    public IAsyncEnumerable<T> Limit<T>(CommandContext context, IAsyncEnumerable<T> items) =>
        context.Parse.GetValue(_limit) is { } limit ? items.Take(limit) : items;

    private static ReadOnlyMemory<byte>? Bound(CommandContext context, Option<string?> option) =>
        context.KeyOrNull(option) is { } key ? key.AsMemory() : (ReadOnlyMemory<byte>?)null;
}
