namespace Ledger.Server.Hooks;

/// <summary>What an endpoint's answer means; the table is in docs/hooks.md.</summary>
internal enum HookOutcome
{
    /// <summary>A 2xx: the entries are done.</summary>
    Delivered,

    /// <summary>
    /// The endpoint is away or overloaded, whatever the entry: no connection, no answer in time, 429, 502, 503, 504.
    /// </summary>
    Away,

    /// <summary>It failed and may succeed later: 408, 425, 500, or a connection that broke.</summary>
    Failed,

    /// <summary>It will not have the entry: every other status, also a redirect.</summary>
    Refused,
}

/// <summary>How a request ended.</summary>
/// <param name="Outcome">What it means.</param>
/// <param name="StatusCode">The status; null when there was no answer.</param>
/// <param name="RetryAfter">When the endpoint wants to be asked again, 0 to a day; null when it does not say.</param>
/// <param name="Error">One sentence, without anything of the body; null when it was delivered.</param>
internal sealed record HookAnswer(HookOutcome Outcome, int? StatusCode, TimeSpan? RetryAfter, string? Error);
