using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Ledger.Objects;

namespace Ledger.Streams.Consumers;

/// <summary>What a change of a consumer's row gives.</summary>
/// <param name="State">The new state, without what is parked; null to leave all as it is, or to delete it.</param>
/// <param name="IsDeleted">True to delete the row, and with it what is parked.</param>
/// <param name="Result">Handed to whoever asked for the change.</param>
internal readonly record struct ConsumerUpdate<TResult>(string? State, bool IsDeleted, TResult Result)
{
    /// <summary>What is parked from now on; it takes the place of what is parked at the same position.</summary>
    public IReadOnlyList<ConsumerState.ParkedState> Parked { get; init; } = [];

    /// <summary>Positions at which nothing is parked any more.</summary>
    public IReadOnlyList<long> Released { get; init; } = [];
}

/// <summary>A consumer's durable state, one JSON object; documented in docs/formats/streams-sqlite.md.</summary>
internal sealed class ConsumerState
{
    /// <summary>Parked entries at most; at that many a failing entry waits instead of being parked.</summary>
    public const int ParkedMax = 1_000;

    private const int ErrorLengthMax = 1_000;
    private const int VersionNow = 1;

    /// <summary>The version of this layout.</summary>
    [JsonPropertyName("version")]
    public int Version { get; set; } = VersionNow;

    /// <summary>The lease's number.</summary>
    [JsonPropertyName("epoch")]
    public long Epoch { get; set; }

    /// <summary>Random: a consumer that is dropped and made again counts its leases anew, but is another one.</summary>
    [JsonPropertyName("identity")]
    public ulong Identity { get; set; }

    /// <summary>When the lease ends, in milliseconds of the database's clock; 0 when nobody has it.</summary>
    [JsonPropertyName("until")]
    public long UntilMs { get; set; }

    /// <summary>The last position that was looked at.</summary>
    [JsonPropertyName("read")]
    public long Read { get; set; }

    /// <summary>What was looked at and is not done, ascending by position.</summary>
    [JsonPropertyName("pending")]
    public List<PendingState> Pending { get; set; } = [];

    /// <summary>
    /// What failed too often, ascending by position: on the wire, and in files of version 1. Null everywhere else.
    /// </summary>
    [JsonPropertyName("parked")]
    public List<ParkedState>? Parked { get; set; }

    /// <summary>Where something is parked.</summary>
    [JsonIgnore]
    public HashSet<long> ParkedAt { get; } = [];

    /// <summary>What was parked and is not written yet.</summary>
    [JsonIgnore]
    public List<ParkedState> NewlyParked { get; private init; } = [];

    /// <summary>Everything up to here is done or parked.</summary>
    [JsonIgnore]
    public long Low => Pending.Count == 0 ? Read : Math.Min(Read, Pending.Min(pending => pending.Position) - 1);

    /// <summary>Reads a state.</summary>
    public static ConsumerState Parse(string text)
    {
        var state = JsonSerializer.Deserialize(text, ConsumerJson.Default.ConsumerState) ?? new ConsumerState();
        return state.Version <= VersionNow
            ? state : throw new FormatTooNewException("The state of a consumer", state.Version, VersionNow);
    }

    /// <summary>Writes the state.</summary>
    public string Format() => JsonSerializer.Serialize(this, ConsumerJson.Default.ConsumerState);

    /// <summary>Adds a failure to an entry that is pending, and parks it when there is no other attempt.</summary>
    public void Fail(
        PendingState pending, string error, long nowMs, ConsumerOptions options, DeliveryFailure? failure = null)
    {
        failure ??= DeliveryFailure.Counted;
        pending.Attempts += failure.IsCounted ? 1 : 0;
        pending.IsInFlight = false;
        pending.Error = Clean(error.Length > ErrorLengthMax ? error[..ErrorLengthMax] : error);
        var isOver = failure.IsFinal || (failure.IsCounted && pending.Attempts >= options.AttemptsMax);
        if (isOver && (ParkedAt.Count < ParkedMax || ParkedAt.Contains(pending.Position)))
        {
            Pending.Remove(pending);
            ParkedAt.Add(pending.Position);
            NewlyParked.RemoveAll(parked => parked.Position == pending.Position);
            NewlyParked.Add(new ParkedState
            {
                Position = pending.Position,
                Id = pending.Id,
                Stream = pending.Stream,
                Attempts = pending.Attempts,
                Error = pending.Error,
                AtMs = nowMs,
            });
            return;
        }

        var delayMs = options.RetryDelayMin.TotalMilliseconds * Math.Pow(2, Math.Clamp(pending.Attempts - 1, 0, 30));
        pending.NotBeforeMs = nowMs + (long)(failure.RetryAfter is { } after
            ? after.TotalMilliseconds : Math.Min(delayMs, options.RetryDelayMax.TotalMilliseconds));
    }

    /// <summary>The text as every database takes it: NUL becomes a space, half a pair U+FFFD.</summary>
    public static string Clean(string text) =>
        Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text.Replace('\0', ' ')));

    /// <summary>A copy of what must be durable now; it is not changed by what comes later.</summary>
    /// <param name="touchedMax">
    /// The highest position that was ever handed out. What was read beyond it is not in the copy: it is read again.
    /// </param>
    /// <param name="deathCounts">Whether it says what is out.</param>
    public ConsumerState DurablePart(long touchedMax, bool deathCounts)
    {
        var isAhead = Pending.Count > 0 && Pending[^1].Position > touchedMax;
        return new ConsumerState
        {
            Version = Version,
            Epoch = Epoch,
            Identity = Identity,
            UntilMs = UntilMs,
            Read = isAhead ? touchedMax : Read,
            Pending =
            [
                .. Pending.Where(pending => pending.Position <= touchedMax)
                    .Select(pending => pending.Copy(isInFlight: pending.IsInFlight && deathCounts)),
            ],
            NewlyParked = [.. NewlyParked],
        };
    }

    /// <summary>An entry that was looked at and is not done.</summary>
    internal sealed class PendingState
    {
        /// <summary>Its place.</summary>
        [JsonPropertyName("position")]
        public long Position { get; set; }

        /// <summary>The entry.</summary>
        [JsonPropertyName("id")]
        public string Id { get; set; } = "";

        /// <summary>The stream's name when it was read.</summary>
        [JsonPropertyName("stream")]
        public string Stream { get; set; } = "";

        /// <summary>Failed attempts.</summary>
        [JsonPropertyName("attempts")]
        public int Attempts { get; set; }

        /// <summary>When it may be tried again, in milliseconds of the database's clock.</summary>
        [JsonPropertyName("notBefore")]
        public long NotBeforeMs { get; set; }

        /// <summary>Handed out.</summary>
        [JsonPropertyName("inFlight")]
        public bool IsInFlight { get; set; }

        /// <summary>When it was handed out, in milliseconds of the database's clock; known to its lease.</summary>
        [JsonIgnore]
        public long OutSinceMs { get; set; }

        /// <summary>In flight when a process died: it is tried alone, so that it takes no other down with it.</summary>
        [JsonPropertyName("suspect")]
        public bool IsSuspect { get; set; }

        /// <summary>The last failure.</summary>
        [JsonPropertyName("error")]
        public string? Error { get; set; }

        /// <summary>The same, of its own.</summary>
        public PendingState Copy(bool isInFlight) => new()
        {
            Position = Position,
            Id = Id,
            Stream = Stream,
            Attempts = Attempts,
            NotBeforeMs = NotBeforeMs,
            IsInFlight = isInFlight,
            IsSuspect = IsSuspect,
            Error = Error,
        };
    }

    /// <summary>An entry that failed too often.</summary>
    internal sealed record ParkedState
    {
        /// <summary>Its place.</summary>
        [JsonPropertyName("position")]
        public long Position { get; set; }

        /// <summary>The entry.</summary>
        [JsonPropertyName("id")]
        public string Id { get; set; } = "";

        /// <summary>The stream's name when it was read.</summary>
        [JsonPropertyName("stream")]
        public string Stream { get; set; } = "";

        /// <summary>Failed attempts.</summary>
        [JsonPropertyName("attempts")]
        public int Attempts { get; set; }

        /// <summary>The last failure.</summary>
        [JsonPropertyName("error")]
        public string Error { get; set; } = "";

        /// <summary>When, in milliseconds of the database's clock.</summary>
        [JsonPropertyName("at")]
        public long AtMs { get; set; }
    }
}

/// <summary>How states are written, without reflection.</summary>
[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault)]
[JsonSerializable(typeof(ConsumerState))]
internal sealed partial class ConsumerJson : JsonSerializerContext;
