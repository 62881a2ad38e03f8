using System.Globalization;
using System.Text;
using Ledger.Server.Configuration;

namespace Ledger.Server.Identities;

/// <summary>The file that keys are kept in, hashed. Its form is that of the configuration.</summary>
internal static class KeyFile
{
    private const string DigestPrefix = "sha256:";

    private static readonly (string Word, Rights Right)[] Words =
        [("read", Rights.Read), ("append", Rights.Append), ("admin", Rights.Admin)];

    /// <summary>Reads the file; no keys when it is missing.</summary>
    /// <exception cref="ConfigurationException">It cannot be used; every problem is named.</exception>
    public static IReadOnlyList<KeyRecord> Load(string path) => LoadOrNull(path) ?? [];

    /// <summary>Reads the file; null when it is missing.</summary>
    /// <exception cref="ConfigurationException">It cannot be used; every problem is named.</exception>
    public static IReadOnlyList<KeyRecord>? LoadOrNull(string path)
    {
        if (SecretFile.ReadOrNull(path) is not { } text)
        {
            return null;
        }

        var problems = new List<string>();
        var fileName = Path.GetFileName(path);
        var prefix = ConfigurationTable.KeysFilePrefix;
        var given = ConfigurationDocument.Read(text, fileName, prefix, problems);
        var values = new ConfigurationValues(prefix, "", given, problems);
        var keys = values.Sections("keys").Select(Read).OfType<KeyRecord>().ToList();
        var names = keys.CountBy(key => key.Name, StringComparer.OrdinalIgnoreCase);
        foreach (var name in names.Where(name => name.Value > 1))
        {
            problems.Add($"{fileName} has the key '{name.Key}' twice.");
        }

        return problems.Count == 0 ? keys : throw new ConfigurationException(problems);
    }

    /// <summary>Writes the file at once, its owner's alone.</summary>
    public static void Save(string path, IReadOnlyList<KeyRecord> keys) => SecretFile.Write(path, ToText(keys));

    /// <summary>The file's text.</summary>
    public static string ToText(IReadOnlyList<KeyRecord> keys)
    {
        var text = new StringBuilder(
            "# Keys of the ledger daemon, hashed. 'ledger key add|list|remove' edits it; then 'ledger reload'.\n");
        text.Append(keys.Count == 0 ? "keys: []\n" : "keys:\n");
        foreach (var key in keys)
        {
            text.Append(
                CultureInfo.InvariantCulture,
                $"""
                - name: {Quote(key.Name)}
                  hash: "{DigestPrefix}{Convert.ToHexStringLower(key.Digest)}"
                  created: "{key.Created.UtcDateTime:yyyy-MM-ddTHH:mm:ssZ}"
                  rights: [{string.Join(", ", NamesOf(key.Rights))}]
                  stores: [{string.Join(", ", key.Stores.Select(Quote))}]
                  user: {Quote(key.User ?? "")}
                  applications: [{string.Join(", ", key.Applications.Select(Quote))}]

                """);
        }

        return text.ToString();
    }

    /// <summary>The words for rights.</summary>
    public static IEnumerable<string> NamesOf(Rights rights) =>
        Words.Where(word => (rights & word.Right) != 0).Select(word => word.Word);

    /// <summary>The right that a word names, or null.</summary>
    public static Rights? RightOf(string word) =>
        word == "all" ? Rights.All : Words.FirstOrDefault(known => known.Word == word) is { Word: not null } found
            ? found.Right : null;

    private static KeyRecord? Read(ConfigurationValues values)
    {
        var problems = values.Problems.Count;
        if (values.Text("name").Length == 0)
        {
            values.Refuse("name", "is missing.");
        }

        var hash = values.Text("hash");
        var digest = new byte[ApiKey.DigestSizeBytes];
        if (!hash.StartsWith(DigestPrefix, StringComparison.Ordinal)
            || Convert.FromHexString(hash.AsSpan(DigestPrefix.Length), digest, out _, out var written)
                != System.Buffers.OperationStatus.Done
            || written != digest.Length)
        {
            // It is not repeated: somebody may have written the key itself.
            values.Refuse("hash", $"is '{DigestPrefix}' and the {2 * digest.Length} digits of the key's SHA-256.");
        }

        var rights = Rights.None;
        foreach (var word in values.Texts("rights"))
        {
            if (RightOf(word) is not { } right)
            {
                values.Refuse("rights", $"has '{word}', which is none of read, append, admin and all.");
                continue;
            }

            rights |= right;
        }

        if (!DateTimeOffset.TryParse(
            values.Text("created"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var created))
        {
            values.Refuse("created", "is a time such as 2026-01-31T12:00:00Z.");
        }

        return values.Problems.Count > problems ? null : new KeyRecord(values.Text("name"), digest, created, rights)
        {
            User = values.Text("user") is { Length: > 0 } user ? user : null,
            Applications = values.Texts("applications"),
            Stores = values.Texts("stores"),
        };
    }

    private static string Quote(string text) =>
        "\"" + string.Concat(text.Select(letter => letter is '"' or '\\' ? "\\" + letter
            : char.IsControl(letter) ? string.Create(CultureInfo.InvariantCulture, $"\\u{(int)letter:x4}")
            : letter.ToString())) + "\"";
}
