using System.Globalization;
using System.Text.RegularExpressions;

namespace Ledger.Cli.Import;

/// <summary>What the commit of a batch says about itself, so that a later run of the same import can skip it.</summary>
/// <param name="FromLine">Lines of the source before the batch.</param>
/// <param name="ToLine">Lines of the source up to its end.</param>
/// <param name="Prefix">Hash of all these lines, from the first one on: 32 hexadecimal digits.</param>
/// <param name="Source">The file's name without its directory, or a dash.</param>
internal sealed partial record ImportMarker(long FromLine, long ToLine, string Prefix, string Source)
{
    /// <summary>Reads a commit's message; null when an import did not write it.</summary>
    public static ImportMarker? Parse(string? message)
    {
        var match = Pattern().Match(message ?? "");
        return match.Success
            ? new ImportMarker(
                long.Parse(match.Groups["from"].Value, CultureInfo.InvariantCulture) - 1,
                long.Parse(match.Groups["to"].Value, CultureInfo.InvariantCulture),
                match.Groups["prefix"].Value, match.Groups["source"].Value)
            : null;
    }

    /// <summary>The commit's message.</summary>
    public override string ToString() => $"import lines {FromLine + 1}-{ToLine} (to {Prefix}) of {Source}";

    [GeneratedRegex(@"^import lines (?<from>\d{1,18})-(?<to>\d{1,18}) \(to (?<prefix>[\da-f]{32})\) of (?<source>.*)$")]
    private static partial Regex Pattern();
}
