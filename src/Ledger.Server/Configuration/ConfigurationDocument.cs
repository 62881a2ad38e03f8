using System.Globalization;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Ledger.Server.Configuration;

/// <summary>Reads YAML against the table of keys: what is not in the table is a problem with its line.</summary>
/// <remarks>
/// Scalars stay the text that was written: <c>0123</c> is a password if the key takes text. A key with nothing after
/// it counts as missing, and <c>""</c> as given.
/// </remarks>
internal static class ConfigurationDocument
{
    /// <summary>Reads a document.</summary>
    /// <param name="text">The document.</param>
    /// <param name="fileName">How it is called in sentences.</param>
    /// <param name="prefix">Where in the table its keys are; empty for the configuration itself.</param>
    /// <param name="problems">Where sentences about it are put.</param>
    /// <returns>The values by path.</returns>
    public static Dictionary<string, GivenValue> Read(
        string text, string fileName, string prefix, List<string> problems)
    {
        var given = new Dictionary<string, GivenValue>(StringComparer.Ordinal);
        var yaml = new YamlStream();
        try
        {
            using var reader = new StringReader(text);
            yaml.Load(reader);
        }
        catch (YamlException error)
        {
            // Without what the parser says of the text itself: it may be a secret.
            var cause = error.Message.Contains("uplicate key", StringComparison.Ordinal)
                ? "a key stands there twice" : "it is not YAML";
            problems.Add(string.Create(
                CultureInfo.InvariantCulture,
                $"{fileName} line {error.Start.Line}, column {error.Start.Column}: {cause}."));
            return given;
        }

        var walk = new Walk(fileName, prefix, problems);
        foreach (var document in yaml.Documents.Take(1))
        {
            if (document.RootNode is YamlMappingNode root)
            {
                walk.Mapping(root, "", "", given);
            }
            else if (document.RootNode is not YamlScalarNode { Value: null or "" })
            {
                problems.Add($"{fileName} is not a mapping of keys to values.");
            }
        }

        return given;
    }

    /// <summary>One reading.</summary>
    private sealed class Walk(string fileName, string prefix, List<string> problems)
    {
        /// <summary>Reads a mapping whose keys begin with a path.</summary>
        /// <param name="node">The mapping.</param>
        /// <param name="section">Where in the table it is, below the prefix; empty, or ends with a dot.</param>
        /// <param name="where">The same in sentences, with the numbers of list items.</param>
        /// <param name="given">Where the values go, by path in the innermost list item.</param>
        /// <param name="list">What of <paramref name="section"/> is the list item's, not the value's.</param>
        public void Mapping(
            YamlMappingNode node, string section, string where, Dictionary<string, GivenValue> given, string list = "")
        {
            foreach (var (keyNode, value) in node.Children)
            {
                if (keyNode is not YamlScalarNode { Value: { } name })
                {
                    problems.Add($"{Line(keyNode)}: the name of a key is text.");
                    continue;
                }

                Value(keyNode, value, section + name, where + name, given, list);
            }
        }

        private void Value(
            YamlNode keyNode, YamlNode value, string path, string where, Dictionary<string, GivenValue> given,
            string list)
        {
            var key = ConfigurationTable.Find(prefix + path);
            if (key is null)
            {
                if (ConfigurationTable.IsSection(prefix + path) && value is YamlMappingNode section)
                {
                    Mapping(section, path + ".", where + ".", given, list);
                }
                else if (!ConfigurationTable.IsSection(prefix + path))
                {
                    problems.Add($"{Line(keyNode)}: '{where}' is not a key of the configuration.");
                }
                else if (!IsNothing(value))
                {
                    problems.Add($"{Line(keyNode)}: '{where}' is a section, with keys below it.");
                }

                return;
            }

            if (IsNothing(value))
            {
                return;
            }

            if (RawOf(key, value, path, where) is { } raw)
            {
                given[path[list.Length..]] = new GivenValue(raw, Line(keyNode));
            }
        }

        private object? RawOf(ConfigurationKey key, YamlNode value, string path, string where)
        {
            switch (key.Kind, value)
            {
                case (ValueKind.Later, YamlMappingNode { Children.Count: 0 } or YamlSequenceNode { Children.Count: 0 }):
                    return null;
                case (ValueKind.Later, _):
                    problems.Add($"{Line(value)}: '{where}' comes with a later version of Ledger; leave it out.");
                    return null;
                case (ValueKind.Sections, YamlSequenceNode items):
                    return Sections(items, path, where);
                case (ValueKind.Texts, YamlSequenceNode items) when items.Children.All(item => item is YamlScalarNode):
                    return items.Children.Select(item => ((YamlScalarNode)item).Value ?? "").ToList();
                case (ValueKind.Texts or ValueKind.Sections, _):
                    problems.Add($"{Line(value)}: '{where}' is a list.");
                    return null;
                case (_, YamlScalarNode scalar):
                    return scalar.Value ?? "";
                default:
                    problems.Add($"{Line(value)}: '{where}' is one value.");
                    return null;
            }
        }

        private List<ConfigurationValues> Sections(YamlSequenceNode items, string path, string where)
        {
            var sections = new List<ConfigurationValues>();
            foreach (var item in items.Children)
            {
                var itemWhere = string.Create(CultureInfo.InvariantCulture, $"{where}[{sections.Count}].");
                var given = new Dictionary<string, GivenValue>(StringComparer.Ordinal);
                if (item is YamlMappingNode mapping)
                {
                    Mapping(mapping, path + "[].", itemWhere, given, path + "[].");
                }
                else
                {
                    problems.Add($"{Line(item)}: each of '{where}' is a section, with keys below it.");
                }

                sections.Add(new ConfigurationValues($"{prefix}{path}[].", itemWhere, given, problems));
            }

            return sections;
        }

        private string Line(YamlNode node) =>
            $"{fileName} line {node.Start.Line.ToString(CultureInfo.InvariantCulture)}";

        private static bool IsNothing(YamlNode node) =>
            node is YamlScalarNode { Style: ScalarStyle.Plain, Value: null or "" or "~" or "null" };
    }
}
