using System.Collections;

namespace Ledger.Rpc.Protocol;

/// <summary>Names and values that go with a call, beside its messages.</summary>
/// <remarks>
/// Names are lower case. A name that ends in <c>-bin</c> has bytes, which travel as base64 without padding and are read
/// with or without; several values may come joined by commas.
/// </remarks>
internal sealed class RpcMetadata : IEnumerable<KeyValuePair<string, string>>
{
    private const string BinarySuffix = "-bin";

    // What the protocol itself says; an application's value would be taken for it.
    private static readonly string[] Reserved =
    [
        "te", "content-type", "content-length", "user-agent", "host", "connection", "transfer-encoding", "upgrade",
        "keep-alive", "proxy-connection", "trailer",
    ];

    private readonly List<KeyValuePair<string, string>> _entries = [];

    /// <summary>How many.</summary>
    public int Count => _entries.Count;

    /// <summary>Adds text.</summary>
    /// <param name="name">Letters, digits, <c>_</c>, <c>-</c> and <c>.</c>; not one that the protocol uses.</param>
    /// <param name="value">Printable ASCII.</param>
    /// <exception cref="ArgumentException">The name or the value cannot be sent.</exception>
    public void Add(string name, string value)
    {
        var key = CheckedName(name);
        if (key.EndsWith(BinarySuffix, StringComparison.Ordinal))
        {
            throw new ArgumentException($"The metadata '{key}' has bytes, as its name says.", nameof(name));
        }

        if (value.AsSpan().ContainsAnyExceptInRange(' ', '~'))
        {
            throw new ArgumentException($"The value of the metadata '{key}' is not printable ASCII.", nameof(value));
        }

        _entries.Add(new(key, value));
    }

    /// <summary>Adds bytes.</summary>
    /// <param name="name">As of text, and ends in <c>-bin</c>.</param>
    /// <param name="value">Any bytes.</param>
    /// <exception cref="ArgumentException">The name cannot be sent.</exception>
    public void AddBytes(string name, ReadOnlySpan<byte> value)
    {
        var key = CheckedName(name);
        if (!key.EndsWith(BinarySuffix, StringComparison.Ordinal))
        {
            throw new ArgumentException($"The metadata '{key}' has text: bytes are named '…-bin'.", nameof(name));
        }

        _entries.Add(new(key, Encode(value)));
    }

    /// <summary>Notes what a peer sent, whatever it is.</summary>
    internal void AddReceived(string name, string value) => _entries.Add(new(name.ToLowerInvariant(), value));

    /// <summary>The last text of that name; null when there is none.</summary>
    public string? Find(string name) => _entries.FindLast(entry => entry.Key == name).Value;

    /// <summary>Every text of that name, in the order of arrival.</summary>
    public IEnumerable<string> All(string name) =>
        _entries.Where(entry => entry.Key == name).Select(entry => entry.Value);

    /// <summary>Every value of bytes of that name, in the order of arrival; what is not base64 is left out.</summary>
    public IEnumerable<byte[]> AllBytes(string name) => All(name)
        .SelectMany(value => value.Split(',')).Select(value => Decode(value.Trim())).OfType<byte[]>();

    /// <summary>Base64 without padding.</summary>
    public static string Encode(ReadOnlySpan<byte> value) => Convert.ToBase64String(value).TrimEnd('=');

    /// <summary>The bytes of base64 with or without padding; null when it is not that.</summary>
    public static byte[]? Decode(string text)
    {
        var bare = text.TrimEnd('=');
        if (bare.Length % 4 == 1)
        {
            return null;
        }

        var padded = bare.PadRight((bare.Length + 3) / 4 * 4, '=');
        var bytes = new byte[padded.Length / 4 * 3];
        return Convert.TryFromBase64String(padded, bytes, out var length) ? bytes[..length] : null;
    }

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<string, string>> GetEnumerator() => _entries.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private static string CheckedName(string name)
    {
        var key = name.ToLowerInvariant();
        if (key.Length == 0 || !key.All(letter => char.IsAsciiLetterLower(letter) || char.IsAsciiDigit(letter)
            || letter is '_' or '-' or '.'))
        {
            throw new ArgumentException($"'{name}' is not the name of metadata.", nameof(name));
        }

        return key.StartsWith("grpc-", StringComparison.Ordinal) || Reserved.Contains(key)
            ? throw new ArgumentException($"The name '{name}' is the protocol's own.", nameof(name)) : key;
    }
}
