using System.Globalization;
using System.Text;
using Ledger.Streams;

namespace Ledger.Server.Hooks;

/// <summary>One hook: which entries are posted where, and how. Two that are equal are one, unchanged.</summary>
/// <remarks>A value that cannot be meant is an <see cref="ArgumentException"/> that says what would be one.</remarks>
public sealed record HookOptions
{
    /// <summary>What comes before a hook's name in the name of its consumer.</summary>
    public const string ConsumerPrefix = "hook:";

    /// <summary>The name, 1 to 200 characters; its cursor is kept under it, once for each store.</summary>
    public required string Name
    {
        get;
        init => field = IsName(value, 200)
            ? value : throw Wrong($"The name of a hook has 1 to 200 characters, none of them control: '{value}'.");
    }

    /// <summary>The store whose entries are posted.</summary>
    public required string Store { get; init => field = Checked(value); }

    /// <summary>
    /// Where to, without user and fragment: <c>https</c>, or <c>http</c> with <see cref="AllowPrivate"/>.
    /// </summary>
    public required Uri Url { get; init => field = Checked(value); }

    /// <summary>The stream whose entries are posted; null for all of the store's.</summary>
    public string? Stream
    {
        get;
        init => field = value is null || IsName(value, StreamLimits.StreamNameLengthMax)
            ? value : throw Wrong("The name of a hook's stream has 1 to 512 characters, none of them control.");
    }

    /// <summary>What requests are signed with; null for no signatures.</summary>
    public string? Secret { get; init => field = CheckedSecret(value); }

    /// <summary>During a rotation the other secret: the second signature is made with it.</summary>
    public string? SecondSecret { get; init => field = CheckedSecret(value); }

    /// <summary>Attempts that count before an entry is parked, 1 or more.</summary>
    public int MaxRetries
    {
        get;
        init => field = value is >= 1 and <= 1_000
            ? value : throw Wrong(string.Create(
                CultureInfo.InvariantCulture, $"A hook tries 1 to 1,000 times before it parks, not {value} times."));
    } = 5;

    /// <summary>
    /// How far apart the first and the last entry of one request may have been appended; nothing ever waits for it.
    /// </summary>
    public TimeSpan Interval
    {
        get;
        init => field = CheckedDuration(value, "interval");
    } = TimeSpan.FromSeconds(5);

    /// <summary>A file of certificates, PEM, that are trusted instead of the system's; null for the system's.</summary>
    public string? CaFile
    {
        get;
        init => field = value is not "" ? value : throw Wrong("The path of a hook's certificates is empty.");
    }

    /// <summary>
    /// What the file of certificates had in it, as the digits of its SHA-256: with another authority it is another
    /// hook. Null without a file, or when it cannot be read, which whoever starts the hook says.
    /// </summary>
    public string? CaDigest { get; init; }

    /// <summary>Whether any certificate is taken.</summary>
    public bool InsecureSkipVerify { get; init; }

    /// <summary>Whether it may post to loopback, private, link-local and other addresses that are not public.</summary>
    public bool AllowPrivate { get; init; }

    /// <summary>How long connecting may take, TLS included.</summary>
    public TimeSpan ConnectTimeout
    {
        get;
        init => field = CheckedDuration(value, "time to connect");
    } = TimeSpan.FromSeconds(5);

    /// <summary>How long a request may take, connecting and the whole answer included.</summary>
    public TimeSpan Timeout
    {
        get;
        init => field = CheckedDuration(value, "time for a request");
    } = TimeSpan.FromSeconds(30);

    /// <summary>The name of the consumer that keeps the hook's cursor and what is parked.</summary>
    public string ConsumerName => ConsumerPrefix + Name;

    /// <summary>Checks what lies between the values; called by whoever starts a hook.</summary>
    public HookOptions Check()
    {
        if (SecondSecret is not null && Secret is null)
        {
            throw Wrong($"Hook '{Name}' has a second secret, but no first one.");
        }

        if (Url.Scheme == Uri.UriSchemeHttp && !AllowPrivate)
        {
            throw Wrong(
                $"Hook '{Name}' would post in clear text: its address begins with https, unless allow_private is set.");
        }

        if ((CaFile is not null || InsecureSkipVerify) && Url.Scheme != Uri.UriSchemeHttps)
        {
            throw Wrong(
                $"Hook '{Name}' posts to '{Url.GetLeftPart(UriPartial.Path)}', where there are no certificates to " +
                "check.");
        }

        return this;
    }

    /// <summary>The hook without its secrets, so that it may be logged.</summary>
    public override string ToString() => $"hook '{Name}' of store '{Store}' to {Url.GetLeftPart(UriPartial.Path)}";

    private static bool IsName(string? name, int lengthMax) =>
        name is { Length: > 0 } && !name.Any(char.IsControl) && name.EnumerateRunes().Count() <= lengthMax
        && !name.EnumerateRunes().Contains(Rune.ReplacementChar);

    private static string Checked(string store)
    {
        ArgumentNullException.ThrowIfNull(store);
        return StreamRules.Store(store);
    }

    private static Uri Checked(Uri url)
    {
        ArgumentNullException.ThrowIfNull(url);
        var isMeant = url.IsAbsoluteUri && url.Host.Length > 0 && url.UserInfo.Length == 0 && url.Fragment.Length == 0
            && (url.Scheme == Uri.UriSchemeHttp || url.Scheme == Uri.UriSchemeHttps);
        return isMeant ? url : throw Wrong(
            "The address of a hook is http://HOST/PATH or https://HOST/PATH, without user, password and fragment.");
    }

    private static string? CheckedSecret(string? secret) =>
        secret is not "" ? secret : throw Wrong("A hook's secret is empty; leave it out for no signatures.");

    private static TimeSpan CheckedDuration(TimeSpan value, string what) =>
        value > TimeSpan.Zero && value <= TimeSpan.FromDays(1)
            ? value : throw Wrong($"A hook's {what} is more than 0 and at most a day, not {value}.");

    private static ArgumentException Wrong(string message) => new(message);
}
