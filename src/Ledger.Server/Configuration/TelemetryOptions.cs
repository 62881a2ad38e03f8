namespace Ledger.Server.Configuration;

/// <summary>What is told about the daemon's work, and to whom.</summary>
internal sealed record TelemetryOptions
{
    /// <summary>Where traces and metrics are sent; null for nowhere.</summary>
    public Uri? Endpoint { get; init; }

    /// <summary>Protobuf over HTTP, not gRPC.</summary>
    public bool IsHttp { get; init; }

    /// <summary>Headers for the endpoint; secrets.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>();

    /// <summary>What this daemon is called there.</summary>
    public string Service { get; init; } = "ledger";

    /// <summary>The share of traces begun here that is kept, 0 to 1.</summary>
    public double Traces { get; init; } = 1;

    /// <summary>How often metrics are sent.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Reads and checks the section.</summary>
    public static TelemetryOptions Read(ConfigurationValues values)
    {
        var text = values.Text("telemetry.endpoint");
        Uri? endpoint = null;
        if (text.Length > 0
            && !(Uri.TryCreate(text, UriKind.Absolute, out endpoint) && endpoint.Scheme is "http" or "https"))
        {
            values.Refuse("telemetry.endpoint", "is not http(s)://host:port.");
        }

        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var header in values.Texts("telemetry.headers"))
        {
            var equals = header.IndexOf('=', StringComparison.Ordinal);
            if (equals < 1)
            {
                values.Refuse("telemetry.headers", "has one that is not name=value.");
                continue;
            }

            headers[header[..equals].Trim()] = header[(equals + 1)..].Trim();
        }

        return new TelemetryOptions
        {
            Endpoint = endpoint,
            IsHttp = values.Word("telemetry.protocol") == "http",
            Headers = headers,
            Service = values.Text("telemetry.service"),
            Traces = values.Fraction("telemetry.traces"),
            Interval = values.Duration("telemetry.interval"),
        };
    }
}
