using System.CommandLine;
using System.CommandLine.Help;
using System.Text;

namespace Ledger.Cli.Commands;

/// <summary><c>ledger completion</c>: how a shell completes commands and options, made from them.</summary>
internal static class CompletionCommand
{
    /// <summary>Builds the command.</summary>
    /// <param name="common">The shared options.</param>
    /// <param name="root">The whole command line, as it is when the command runs.</param>
    public static Command Create(CommonOptions common, RootCommand root)
    {
        var shell = new Argument<string>("shell") { Description = "bash, zsh or fish" };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        var command = new ExampleCommand(
            "completion", "Print what a shell needs to complete commands and options",
            "completion bash > ~/.local/share/bash-completion/completions/ledger",
            "completion zsh > ~/.zfunc/_ledger",
            "completion fish > ~/.config/fish/completions/ledger.fish")
        {
            shell,
        };
        CommandContext.SetAction(command, common, context =>
        {
            var nodes = new List<Node>();
            Collect(root, "", [], nodes);
            var text = context.Parse.GetRequiredValue(shell) switch
            {
                "bash" => Bash(nodes),
                "zsh" => "#compdef ledger\nautoload -U +X bashcompinit && bashcompinit\n" + Bash(nodes),
                _ => Fish(nodes),
            };
            context.Output.Raw.Write(Encoding.UTF8.GetBytes(text));
            return Task.FromResult(ExitCodes.Done);
        });
        return command;
    }

    private static void Collect(Command command, string path, IReadOnlyList<Option> inherited, List<Node> nodes)
    {
        var own = command.Options.Where(option => !option.Hidden && option is not HelpOption and not VersionOption);
        var options = inherited.Concat(own).DistinctBy(option => option.Name).ToList();
        var commands = command.Subcommands.Where(child => !child.Hidden).ToList();
        nodes.Add(new Node(path, commands, options));
        foreach (var child in commands)
        {
            Collect(child, $"{path} {child.Name}".Trim(), [.. options.Where(option => option.Recursive)], nodes);
        }
    }

    // The path is the words that are commands, as far as they are; what follows an option's name is not looked at.
    private static string Bash(List<Node> nodes)
    {
        var text = new StringBuilder("_ledger() {\n    local path=\"\" word words\n");
        text.Append("    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n");
        text.Append("        case \"${path:+$path }$word\" in\n");
        foreach (var node in nodes.Where(node => node.Path.Length > 0))
        {
            text.Append($"            '{node.Path}') path='{node.Path}' ;;\n");
        }

        text.Append("        esac\n    done\n    case \"$path\" in\n");
        foreach (var node in nodes)
        {
            var words = node.Commands.Select(child => child.Name).Concat(node.Options.Select(option => option.Name));
            text.Append($"        '{node.Path}') words='{string.Join(' ', words)} --help' ;;\n");
        }

        return text.Append(
            """
                esac
                COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
                if [ ${#COMPREPLY[@]} -eq 0 ]; then
                    compopt -o default 2>/dev/null
                fi
            }
            complete -F _ledger ledger

            """).ToString();
    }

    private static string Fish(List<Node> nodes)
    {
        var text = new StringBuilder(
            """
            function __ledger_at
                set -l words (commandline -opc)[2..-1]
                set -l path
                for word in $words
                    if not string match -q -- '-*' $word
                        set -a path $word
                    end
                end
                test "$path" = "$argv"
            end

            """);
        foreach (var node in nodes)
        {
            var at = $"-n '__ledger_at {node.Path}'";
            foreach (var child in node.Commands)
            {
                text.Append($"complete -c ledger -f {at} -a {child.Name} -d {Quote(child.Description)}\n");
            }

            foreach (var option in node.Options)
            {
                var name = option.Name.TrimStart('-');
                text.Append($"complete -c ledger {at} -l {name} -d {Quote(option.Description)}\n");
            }
        }

        return text.ToString();
    }

    private static string Quote(string? text) =>
        "'" + (text ?? "").Replace("\\", "\\\\", StringComparison.Ordinal)
            .Replace("'", "\\'", StringComparison.Ordinal) + "'";

    /// <summary>What can follow a path of commands.</summary>
    /// <param name="Path">The names, separated by spaces.</param>
    /// <param name="Commands">The commands.</param>
    /// <param name="Options">The options.</param>
    private sealed record Node(string Path, IReadOnlyList<Command> Commands, IReadOnlyList<Option> Options);
}
