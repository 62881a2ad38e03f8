using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using Ledger.Streams;

namespace Ledger.Server.Hooks;

/// <summary>Makes a hook's requests and says what their answers mean.</summary>
/// <param name="options">The hook.</param>
/// <param name="handler">What the requests go through; owned.</param>
/// <param name="time">The clock, with timers.</param>
internal sealed class HookSender(HookOptions options, HttpMessageHandler handler, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan RetryAfterMax = TimeSpan.FromDays(1);
    private static readonly MediaTypeHeaderValue Json = new("application/json");

    private readonly HttpMessageInvoker _http = new(handler);
    private readonly string[] _secrets =
        [.. new[] { options.Secret, options.SecondSecret }.Where(secret => secret is not null).Select(one => one!)];

    /// <summary>Posts entries of one stream.</summary>
    /// <param name="stream">The stream's name.</param>
    /// <param name="entries">In order; none to try the endpoint.</param>
    /// <param name="cancellationToken">Gives the request up; then nothing is known of it.</param>
    public async Task<HookAnswer> SendAsync(
        string stream, IReadOnlyList<Entry> entries, CancellationToken cancellationToken)
    {
        using var activity = HookTelemetry.Start(options, entries.Count);
        using var request = CreateRequest(stream, entries, activity);
        using var timeout = new CancellationTokenSource(options.Timeout, time);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        var startedAt = time.GetTimestamp();
        HookAnswer answer;
        try
        {
            using var response = await _http.SendAsync(request, over.Token).ConfigureAwait(false);
            answer = AnswerOf(response);
        }
        catch (OperationCanceledException error) when (!cancellationToken.IsCancellationRequested)
        {
            var isConnecting = error.InnerException is TimeoutException && !timeout.IsCancellationRequested;
            answer = new HookAnswer(HookOutcome.Away, null, null, isConnecting
                ? $"No connection within {Seconds(options.ConnectTimeout)}."
                : $"No answer within {Seconds(options.Timeout)}.");
        }
        catch (HttpRequestException error)
        {
            answer = AnswerOf(error);
        }
        catch (IOException error)
        {
            answer = new HookAnswer(HookOutcome.Failed, null, null, $"The connection broke: {error.Message}");
        }

        HookTelemetry.Answered(options, answer, entries.Count, time.GetElapsedTime(startedAt), activity);
        return answer;
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private HttpRequestMessage CreateRequest(string stream, IReadOnlyList<Entry> entries, Activity? activity)
    {
        var body = HookBody.Of(stream, entries);
        var timestamp = time.GetUtcNow().ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        var delivery = DeliveryOf(stream, entries);
        var request = new HttpRequestMessage(HttpMethod.Post, options.Url)
        {
            Content = new ByteArrayContent(body) { Headers = { ContentType = Json } },
            Version = HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        var headers = request.Headers;
        headers.TryAddWithoutValidation("User-Agent", "ledger-hook/1");
        headers.TryAddWithoutValidation(HookSignature.TimestampHeader, timestamp);
        headers.TryAddWithoutValidation(HookSignature.DeliveryHeader, delivery);
        if (_secrets.Length > 0)
        {
            headers.TryAddWithoutValidation(HookSignature.BodyHeader, HookSignature.Of(_secrets[0], body));
            headers.TryAddWithoutValidation(
                HookSignature.Header, HookSignature.OfAll(_secrets, timestamp, delivery, body));
        }

        if (activity is { IdFormat: ActivityIdFormat.W3C, Id: { } id })
        {
            headers.TryAddWithoutValidation("traceparent", id);
            if (activity.TraceStateString is { Length: > 0 } state)
            {
                headers.TryAddWithoutValidation("tracestate", state);
            }
        }

        return request;
    }

    // From the entries, so that the same ones have the same id however often they are tried.
    private string DeliveryOf(string stream, IReadOnlyList<Entry> entries)
    {
        var names = entries.Count == 0 ? stream : $"{entries[0].Id}\n{entries[^1].Id}";
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{options.Store}\n{options.Name}\n{names}"));
        return Convert.ToHexStringLower(hash.AsSpan(0, 16));
    }

    private HookAnswer AnswerOf(HttpResponseMessage response)
    {
        var status = (int)response.StatusCode;
        if (status is >= 200 and < 300)
        {
            return new HookAnswer(HookOutcome.Delivered, status, null, null);
        }

        var outcome = status switch
        {
            429 or 502 or 503 or 504 => HookOutcome.Away,
            408 or 425 or 500 => HookOutcome.Failed,
            _ => HookOutcome.Refused,
        };
        var retryAfter = response.Headers.RetryAfter is { } header
            ? header.Delta ?? header.Date - time.GetUtcNow() : null;
        if (retryAfter is { } wait)
        {
            retryAfter = wait < TimeSpan.Zero ? TimeSpan.Zero : wait > RetryAfterMax ? RetryAfterMax : wait;
        }

        var text = status is >= 300 and < 400 ? ", and redirects are not followed" : "";
        return new HookAnswer(outcome, status, retryAfter, string.Create(
            CultureInfo.InvariantCulture, $"The endpoint answered {status}{text}."));
    }

    private static HookAnswer AnswerOf(HttpRequestException error)
    {
        var refusal = error.InnerException as HookTargetException ?? error.GetBaseException() as HookTargetException;
        var isAway = refusal is not null || error.HttpRequestError is HttpRequestError.NameResolutionError
            or HttpRequestError.ConnectionError or HttpRequestError.SecureConnectionError;
        var sentence = refusal?.Message ?? (isAway
            ? $"No connection: {error.GetBaseException().Message}"
            : $"The connection broke: {error.GetBaseException().Message}");
        return new HookAnswer(isAway ? HookOutcome.Away : HookOutcome.Failed, null, null, sentence);
    }

    private static string Seconds(TimeSpan time) =>
        string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.###} s");
}
