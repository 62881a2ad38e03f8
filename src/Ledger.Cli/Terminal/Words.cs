using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Ledger.Cli.Terminal;

/// <summary>Small pieces of sentences.</summary>
internal static class Words
{
    /// <summary>A number and its noun: "1 change", "2 changes".</summary>
    /// <param name="count">How many.</param>
    /// <param name="one">The noun in the singular; its plural has an s.</param>
    public static string Count(long count, string one) =>
        string.Create(CultureInfo.InvariantCulture, $"{count} {one}{(count == 1 ? "" : "s")}");

    /// <summary>Lets an option take only some words, and says which in a sentence of our own.</summary>
    public static void Limit<T>(this Option<T> option, params string[] words)
    {
        option.HelpName = string.Join('|', words);
        option.Validators.Add(result => Check(result, option.Name, words));
    }

    /// <summary>Lets an argument take only some words.</summary>
    public static void Limit(this Argument<string> argument, params string[] words)
    {
        argument.HelpName = string.Join('|', words);
        argument.Validators.Add(result => Check(result, argument.Name, words));
    }

    private static void Check(SymbolResult result, string name, string[] words)
    {
        if (result.Tokens.Count == 1 && !words.Contains(result.Tokens[0].Value))
        {
            result.AddError($"{name} is {List(words)}, not '{result.Tokens[0].Value}'.");
        }
    }

    private static string List(string[] words) => $"{string.Join(", ", words[..^1])} or {words[^1]}";
}
