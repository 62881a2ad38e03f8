using System.Globalization;

namespace Ledger.Benchmarks;

/// <summary>How much is measured.</summary>
internal enum Scale
{
    /// <summary>Only shows that every mode runs to its end.</summary>
    Smoke,

    /// <summary>A few minutes for everything.</summary>
    Quick,

    /// <summary>About twenty minutes for everything on two cores.</summary>
    Normal,

    /// <summary>The sizes that the definitions name; hours.</summary>
    Full,
}

/// <summary>What the command line asked for.</summary>
internal sealed record Settings
{
    /// <summary>What the arguments may be.</summary>
    public const string Usage = """
        usage: Ledger.Benchmarks MODE [options]

        MODE            an experiment, several with commas between them, 'all', 'list' which names them,
                        or 'table', which makes the README's table of the results

        --quick         small sizes, a few minutes for 'all'; without it 'all' takes about twenty
        --full          the sizes that the definitions name; hours
        --smoke         tiny sizes that measure nothing, all in one process
        --entries N,... sizes to measure at, instead of the scale's
        --rounds N      rounds, instead of 7 (1 with --smoke, 3 with --quick)
        --operations N  operations of a slice or repetitions, where the experiment has them
        --no-peers      Ledger and the probe alone
        --out DIRECTORY where results are written, one Markdown file each; default bench/results
        --dir DIRECTORY on whose disk the stores are made, in a directory that is removed; default the current one
        """;

    /// <summary>The experiment, or what else is to be done.</summary>
    public required string Mode { get; init; }

    /// <summary>How much is measured.</summary>
    public Scale Scale { get; init; } = Scale.Normal;

    /// <summary>Sizes instead of the scale's; null for those.</summary>
    public IReadOnlyList<int>? Entries { get; init; }

    /// <summary>Rounds instead of the scale's.</summary>
    public int? Rounds { get; init; }

    /// <summary>Operations instead of the experiment's.</summary>
    public int? Operations { get; init; }

    /// <summary>Whether peers take part.</summary>
    public bool WithPeers { get; init; } = true;

    /// <summary>Where results are written.</summary>
    public string Out { get; init; } = Path.Combine("bench", "results");

    /// <summary>On whose disk the stores are made.</summary>
    public string Directory { get; init; } = ".";

    /// <summary>The arguments that make this run again, without directories.</summary>
    public string Command
    {
        get
        {
            var text = $"dotnet run -c Release --project bench/Ledger.Benchmarks -- {Mode}";
            text += Scale == Scale.Normal ? "" : $" --{Scale.ToString().ToLowerInvariant()}";
            text += Entries is null ? "" : $" --entries {string.Join(',', Entries)}";
            text += Rounds is null ? "" : $" --rounds {Rounds}";
            text += Operations is null ? "" : $" --operations {Operations}";
            return WithPeers ? text : text + " --no-peers";
        }
    }

    /// <summary>Reads the command line.</summary>
    /// <exception cref="ArgumentException">An argument is not known or has no proper value.</exception>
    public static Settings Parse(IReadOnlyList<string> arguments)
    {
        var settings = new Settings { Mode = arguments[0] };
        for (var i = 1; i < arguments.Count; i++)
        {
            settings = arguments[i] switch
            {
                "--smoke" => settings with { Scale = Scale.Smoke },
                "--quick" => settings with { Scale = Scale.Quick },
                "--full" => settings with { Scale = Scale.Full },
                "--no-peers" => settings with { WithPeers = false },
                "--entries" => settings with { Entries = [.. Value(arguments, ++i).Split(',').Select(Number)] },
                "--rounds" => settings with { Rounds = Number(Value(arguments, ++i)) },
                "--operations" => settings with { Operations = Number(Value(arguments, ++i)) },
                "--out" => settings with { Out = Value(arguments, ++i) },
                "--dir" => settings with { Directory = Value(arguments, ++i) },
                _ => throw new ArgumentException($"The option '{arguments[i]}' is not known."),
            };
        }

        return settings;
    }

    /// <summary>The arguments that carry these settings to a child process.</summary>
    public IEnumerable<string> ToArguments()
    {
        yield return Mode;
        if (Scale != Scale.Normal)
        {
            yield return $"--{Scale.ToString().ToLowerInvariant()}";
        }

        if (!WithPeers)
        {
            yield return "--no-peers";
        }

        (string, string?)[] values =
        [
            ("--entries", Entries is null ? null : string.Join(',', Entries)),
            ("--rounds", Rounds?.ToString(CultureInfo.InvariantCulture)),
            ("--operations", Operations?.ToString(CultureInfo.InvariantCulture)),
            ("--out", Out), ("--dir", Directory),
        ];
        foreach (var (name, value) in values)
        {
            if (value is not null)
            {
                yield return name;
                yield return value;
            }
        }
    }

    private static string Value(IReadOnlyList<string> arguments, int index) => index < arguments.Count
        ? arguments[index]
        : throw new ArgumentException($"The option '{arguments[index - 1]}' needs a value.");

    private static int Number(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0
            ? number
            : throw new ArgumentException($"'{text}' is not a number from 1 on.");
}
