using System.CommandLine;
using System.CommandLine.Parsing;
using Ledger.Cli.Terminal;
using Ledger.Objects;
using Ledger.Pages;

namespace Ledger.Cli;

/// <summary>The options that several commands share, each declared once.</summary>
internal sealed class CommonOptions
{
    /// <summary>What the commands write to and ask.</summary>
    public CommandStreams Streams { get; }

    /// <summary>Where the repository is; null for the default.</summary>
    public Option<string?> Data { get; } = new("--data")
    {
        Description = "The repository's directory. Default: LEDGER_DATA, or ./.ledger",
        HelpName = "DIR",
        Recursive = true,
    };

    /// <summary>Which form results have.</summary>
    public Option<string> Output { get; } = new("--output")
    {
        Description = "Text, or one JSON object per line",
        DefaultValueFactory = _ => "text",
        Recursive = true,
    };

    /// <summary>Short for JSON.</summary>
    public Option<bool> Json { get; } = new("--json")
    {
        Description = "Short for --output json",
        Recursive = true,
    };

    /// <summary>The application whose pages are meant.</summary>
    public Option<string> App { get; } = new("--app")
    {
        Description = "The application whose pages are meant",
        HelpName = "NAME",
        DefaultValueFactory = _ => "default",
        Recursive = true,
    };

    /// <summary>The page.</summary>
    public Option<PageId> Page { get; } = new("--page")
    {
        Description = "The page: 'root' (the default), or 32 hexadecimal digits",
        HelpName = "root|HEX",
        CustomParser = ParsePage,
        Recursive = true,
    };

    /// <summary>What an acknowledged write has survived; flushed unless it is given.</summary>
    public Option<Durability> Durability { get; } = new("--durability")
    {
        Description = "What a write survives: power loss (flushed, the default) or a killed process (buffered)",
        HelpName = "flushed|buffered",
        Recursive = true,
    };

    /// <summary>Values are hexadecimal digits.</summary>
    public Option<bool> Hex { get; } = new("--hex") { Description = "Values are hexadecimal digits" };

    /// <summary>Values are base64.</summary>
    public Option<bool> Base64 { get; } = new("--base64") { Description = "Values are base64" };

    /// <summary>How keys and prefixes are written.</summary>
    public Option<string> KeyEncoding { get; } = new("--key-encoding")
    {
        Description = "How keys and prefixes are written, in and out",
        DefaultValueFactory = _ => "utf8",
    };

    /// <summary>Only keys that begin with it.</summary>
    public Option<string?> Prefix { get; } = new("--prefix")
    {
        Description = "Only keys that begin with this",
        HelpName = "KEY",
    };

    /// <summary>An earlier state.</summary>
    public Option<string?> AsOf { get; } = new("--as-of")
    {
        Description = "The state of a commit (6 digits or more), or at a time such as 2026-01-31T12:00:00Z",
        HelpName = "COMMIT|TIME",
    };

    /// <summary>Declares the closed sets of words.</summary>
    public CommonOptions(CommandStreams streams)
    {
        Streams = streams;
        Output.Limit("text", "json");
        KeyEncoding.Limit("utf8", "hex", "base64");
        Durability.Validators.Add(result =>
        {
            if (result.Tokens.Any(token => token.Value is not ("flushed" or "buffered")))
            {
                result.AddError("--durability is 'flushed' or 'buffered'.");
            }
        });
    }

    /// <summary>How values are written.</summary>
    public ByteFormat ValueFormatOf(ParseResult parse) =>
        parse.GetValue(Hex) ? ByteFormat.Hex : parse.GetValue(Base64) ? ByteFormat.Base64 : ByteFormat.Utf8;

    /// <summary>How keys are written.</summary>
    public ByteFormat KeyFormatOf(ParseResult parse) => parse.GetValue(KeyEncoding) switch
    {
        "hex" => ByteFormat.Hex,
        "base64" => ByteFormat.Base64,
        _ => ByteFormat.Utf8,
    };

    /// <summary>Whether results are JSON.</summary>
    public bool IsJson(ParseResult parse) => parse.GetValue(Json) || parse.GetValue(Output) == "json";

    /// <summary>The repository's directory.</summary>
    public string DirectoryOf(ParseResult parse)
    {
        var given = parse.GetValue(Data) ?? Environment.GetEnvironmentVariable("LEDGER_DATA");
        return string.IsNullOrEmpty(given) ? ".ledger" : given;
    }

    /// <summary>Reads a page id where an option or argument takes one.</summary>
    public static PageId ParsePage(ArgumentResult result)
    {
        var text = result.Tokens.Count == 0 ? "root" : result.Tokens[0].Value;
        if (!PageId.TryParse(text, out var id))
        {
            result.AddError($"'{text}' is not a page: give 'root', or 32 hexadecimal digits.");
        }

        return id;
    }
}
