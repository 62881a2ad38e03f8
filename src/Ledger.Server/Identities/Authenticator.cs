using System.Security.Cryptography;
using Ledger.Server.Configuration;
using Microsoft.AspNetCore.Http;

namespace Ledger.Server.Identities;

/// <summary>Who may call: the shared key, the hashed ones, or anybody. Immutable.</summary>
internal sealed class Authenticator
{
    /// <summary>The header that has the key, as the original's.</summary>
    public const string KeyHeader = "x-api-key";

    private const string BearerPrefix = "Bearer ";

    private readonly IReadOnlyList<(byte[] Digest, Identity Identity)> _keys;
    private readonly Identity? _anybody;

    private Authenticator(IReadOnlyList<(byte[], Identity)> keys, Identity? anybody)
    {
        _keys = keys;
        _anybody = anybody;
    }

    /// <summary>Anybody who reaches a listener may call.</summary>
    public bool IsOpen => _anybody is not null;

    /// <summary>Nobody may call anything but health.</summary>
    public bool IsShut => _anybody is null && _keys.Count == 0;

    /// <summary>Whoever has one of the keys may call; without keys an empty shared key means anybody.</summary>
    /// <param name="options">The shared key, and the stores that may be used at all.</param>
    /// <param name="keys">The hashed keys.</param>
    public static Authenticator Create(DaemonOptions options, IReadOnlyList<KeyRecord> keys)
    {
        var known = keys.Select(key => (key.Digest, key.ToIdentity(options.AllowedStores))).ToList();
        if (options.ApiKey is { Length: > 0 } shared)
        {
            known.Add((ApiKey.DigestOf(shared), new Identity("api_key", options.AllowedStores, Rights.All)));
        }

        return new Authenticator(
            known,
            known.Count == 0 && options.ApiKey is not null
                ? new Identity("anybody", options.AllowedStores, Rights.All) : null);
    }

    /// <summary>Who has a key.</summary>
    /// <returns>Null when nobody has.</returns>
    /// <remarks>
    /// Compares digests of one length, each to its end, and all of them: how long it takes says nothing of the keys.
    /// </remarks>
    public Identity? Find(string key)
    {
        var digest = ApiKey.DigestOf(key);
        Identity? found = null;
        foreach (var (known, identity) in _keys)
        {
            found = CryptographicOperations.FixedTimeEquals(known, digest) ? identity : found;
        }

        return found;
    }

    /// <summary>Who calls: by the header <c>x-api-key</c>, or <c>authorization: Bearer</c>.</summary>
    /// <returns>Null when nobody is known by what the call has, or it has nothing.</returns>
    public Identity? Find(HttpRequest request)
    {
        if (_anybody is not null)
        {
            return _anybody;
        }

        if (request.Headers[KeyHeader] is [{ Length: > 0 } key])
        {
            return Find(key);
        }

        return request.Headers.Authorization is [{ } authorization]
            && authorization.StartsWith(BearerPrefix, StringComparison.OrdinalIgnoreCase)
            ? Find(authorization[BearerPrefix.Length..].Trim())
            : null;
    }
}
