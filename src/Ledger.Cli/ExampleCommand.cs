using System.CommandLine;

namespace Ledger.Cli;

/// <summary>A command whose help ends with examples.</summary>
/// <param name="name">Its name.</param>
/// <param name="description">One line.</param>
/// <param name="examples">Command lines, without the name of the program.</param>
internal sealed class ExampleCommand(string name, string description, params string[] examples)
    : Command(name, description)
{
    /// <summary>Command lines, without the name of the program.</summary>
    public IReadOnlyList<string> Examples => examples;
}
