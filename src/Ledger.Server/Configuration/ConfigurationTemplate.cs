using System.Text;

namespace Ledger.Server.Configuration;

/// <summary>The file that a first start writes: every key with what it means, and a key of its own.</summary>
internal static class ConfigurationTemplate
{
    private const int LineLengthMax = 100;

    /// <summary>The file for a daemon with this shared key.</summary>
    /// <param name="apiKey">The shared key, or null to leave it out.</param>
    public static string Write(string? apiKey)
    {
        var text = new StringBuilder();
        Comment(
            text, "", "The configuration of the ledger daemon. What begins with # is a comment, and what is left " +
            "out is what the comment shows. 'ledger reload' takes over what is marked (reload); the rest takes a " +
            "restart. Each key can also be given in the environment, as " +
            $"{ConfigurationEnvironment.NameOf("db.postgres.dsn")}.");
        var section = "";
        foreach (var key in ConfigurationTable.All.Where(key => key.Kind != ValueKind.Later))
        {
            var name = key.Path[(key.Path.LastIndexOf('.') + 1)..];
            var parent = key.Path[..^name.Length];
            OpenSection(text, ref section, parent);
            if (parent.Contains("[]", StringComparison.Ordinal))
            {
                // An item of a list stays one comment, to be copied as a whole.
                Comment(text, "", "     " + key.Meaning);
                text.Append(name == "name" ? "# - " : "#   ").Append(Setting(key, name)).Append('\n');
                continue;
            }

            var indent = new string(' ', 2 * parent.Count(letter => letter == '.'));
            text.Append('\n');
            Comment(text, indent, key.IsReloadable ? $"{key.Meaning} (reload)" : key.Meaning);
            text.Append(indent).Append(
                key.Path == "api_key" && apiKey is not null ? $"{name}: \"{apiKey}\"" : "# " + Setting(key, name))
                .Append('\n');
        }

        return text.ToString();
    }

    private static void OpenSection(StringBuilder text, ref string section, string parent)
    {
        var open = section.Split('.');
        var names = parent.Split('.');
        for (var depth = 0; depth < names.Length - 1 && !parent.Contains("[]", StringComparison.Ordinal); depth++)
        {
            if (depth >= open.Length || names[depth] != open[depth])
            {
                text.Append('\n').Append(' ', 2 * depth).Append(names[depth]).Append(":\n");
                open = names[..(depth + 1)];
            }
        }

        section = parent;
    }

    private static string Setting(ConfigurationKey key, string name) => $"{name}: {key.Kind switch
    {
        ValueKind.Texts or ValueKind.Sections => "[]",
        ValueKind.Text => $"\"{key.Default}\"",
        _ => key.Default,
    }}".TrimEnd();

    private static void Comment(StringBuilder text, string indent, string sentence)
    {
        var line = new StringBuilder(indent + "#");
        foreach (var word in sentence.Split(' '))
        {
            if (line.Length + word.Length >= LineLengthMax)
            {
                text.Append(line).Append('\n');
                line.Clear().Append(indent).Append('#');
            }

            line.Append(' ').Append(word);
        }

        text.Append(line).Append('\n');
    }
}
