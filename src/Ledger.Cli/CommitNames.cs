using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Ledger.Commits;
using Ledger.Pages;

namespace Ledger.Cli;

/// <summary>Commits as users name them: all digits, or as many as are unambiguous.</summary>
internal static class CommitNames
{
    private const int DigitsMin = 6;
    private const int DigitsAll = 64;
    private const int DigitsShown = 12;
    private static readonly SearchValues<char> Digits = SearchValues.Create("0123456789abcdefABCDEF");

    /// <summary>The first digits, for text meant for people.</summary>
    public static string Short(this CommitId id) => id.ToString()[..DigitsShown];

    /// <summary>UTC with milliseconds, or a dash when the commit has no author.</summary>
    public static string Format(DateTimeOffset? time) => time is { } known
        ? known.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture)
        : "-";

    /// <summary>Writes <c>"time"</c>: text as in <see cref="Format"/>, or null.</summary>
    public static void WriteTime(this Utf8JsonWriter json, DateTimeOffset? time)
    {
        if (time is null)
        {
            json.WriteNull("time");
        }
        else
        {
            json.WriteString("time", Format(time));
        }
    }

    /// <summary>Reads a commit, or a time: UTC unless it says otherwise.</summary>
    public static async Task<AsOf> ParseAsOfAsync(IPage page, string text, CancellationToken cancellationToken)
    {
        if (IsDigits(text))
        {
            return AsOf.Commit(await ResolveAsync(page, text, cancellationToken));
        }

        return DateTimeOffset.TryParse(
            text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
            ? AsOf.Time(time)
            : throw CliException.Usage(
                $"'{text}' is neither a commit nor a time.", "A time looks like 2026-01-31T12:00:00Z.");
    }

    /// <summary>The commit of the page's history that a text names.</summary>
    public static async Task<CommitId> ResolveAsync(IPage page, string text, CancellationToken cancellationToken)
    {
        if (!IsDigits(text) || text.Length is < DigitsMin or > DigitsAll)
        {
            throw CliException.Usage(
                $"'{text}' is not a commit: give {DigitsMin} to {DigitsAll} hexadecimal digits.",
                "'ledger page log' lists the commits there are.");
        }

        if (CommitId.TryParse(text, out var whole))
        {
            return whole;
        }

        CommitId? found = null;
        await foreach (var commit in page.LogAsync(cancellationToken: cancellationToken))
        {
            if (!commit.Id.ToString().StartsWith(text, StringComparison.OrdinalIgnoreCase))
            {
                continue;
            }

            if (found is { } other && other != commit.Id)
            {
                throw CliException.Usage(
                    $"'{text}' names more than one commit, such as {other} and {commit.Id}.", "Give more digits.");
            }

            found = commit.Id;
        }

        return found ?? throw new CliException(
            ExitCodes.NotFound, $"The history of page {Session.NameOf(page.Id)} has no commit {text}.",
            "'ledger page log' lists the commits there are.");
    }

    private static bool IsDigits(string text) => !text.AsSpan().ContainsAnyExcept(Digits);
}
