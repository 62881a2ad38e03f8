using System.Text;

namespace Ledger.Server.Gateway;

/// <summary>Which route a raw target means.</summary>
/// <param name="Route">The route.</param>
/// <param name="Fields">The names in its path, decoded once.</param>
internal sealed record RouteMatch(Route Route, IReadOnlyDictionary<string, string> Fields)
{
    /// <summary>Finds the route.</summary>
    /// <param name="method">The method of HTTP.</param>
    /// <param name="target">The target as it was sent: nothing decoded, nothing normalized.</param>
    /// <param name="isKnown">Whether the path is a route's, by whatever method.</param>
    /// <returns>Null when there is none for the method.</returns>
    /// <exception cref="ArgumentException">A segment is not percent-encoded UTF-8.</exception>
    public static RouteMatch? Find(string method, string target, out bool isKnown)
    {
        isKnown = false;
        var path = target.Split('?', 2)[0];
        if (!path.StartsWith('/'))
        {
            return null;
        }

        var segments = path[1..].Split('/');
        var colon = segments[^1].LastIndexOf(':');
        var (last, verb) = colon < 0 ? (segments[^1], "") : (segments[^1][..colon], segments[^1][(colon + 1)..]);
        foreach (var route in RouteTable.All)
        {
            if (!IsLike(route, segments, last, verb))
            {
                continue;
            }

            isKnown = true;
            if (route.Method == method)
            {
                return new RouteMatch(route, FieldsOf(route, segments, last));
            }
        }

        return null;
    }

    /// <summary>Decodes what stands between slashes, once.</summary>
    /// <exception cref="ArgumentException">It is not percent-encoded UTF-8.</exception>
    public static string Decode(string text)
    {
        if (!text.Contains('%', StringComparison.Ordinal))
        {
            return text;
        }

        var bytes = new List<byte>(text.Length);
        for (var index = 0; index < text.Length; index++)
        {
            if (text[index] != '%')
            {
                bytes.AddRange(Encoding.UTF8.GetBytes(text, index, 1));
                continue;
            }

            if (index + 2 >= text.Length || !Uri.IsHexDigit(text[index + 1]) || !Uri.IsHexDigit(text[index + 2]))
            {
                throw new ArgumentException($"'{text}' has a '%' without two hexadecimal digits.");
            }

            bytes.Add((byte)(16 * Convert.ToInt32(text[index + 1].ToString(), 16)
                + Convert.ToInt32(text[index + 2].ToString(), 16)));
            index += 2;
        }

        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString([.. bytes]);
        }
        catch (DecoderFallbackException error)
        {
            throw new ArgumentException($"'{text}' is not percent-encoded UTF-8.", error);
        }
    }

    private static bool IsLike(Route route, string[] segments, string last, string verb)
    {
        if (route.Segments.Length != segments.Length || route.Verb != verb)
        {
            return false;
        }

        for (var index = 0; index < segments.Length; index++)
        {
            var segment = index == segments.Length - 1 ? last : segments[index];
            if (route.Segments[index][0] != '{' && route.Segments[index] != segment)
            {
                return false;
            }
        }

        return true;
    }

    private static Dictionary<string, string> FieldsOf(Route route, string[] segments, string last)
    {
        var fields = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var index = 0; index < segments.Length; index++)
        {
            if (route.Segments[index] is ['{', .. var name, '}'])
            {
                fields[name] = Decode(index == segments.Length - 1 ? last : segments[index]);
            }
        }

        return fields;
    }
}
