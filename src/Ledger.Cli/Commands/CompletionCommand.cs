using System.CommandLine;
using System.CommandLine.Help;
using System.Text;
using Ledger.Cli.Terminal;

namespace Ledger.Cli.Commands;

/// <summary><c>ledger completion</c>: how a shell completes commands and options, made from them.</summary>
internal static class CompletionCommand
{
    /// <summary>Builds the command.</summary>
    /// <param name="common">The shared options.</param>
    /// <param name="root">The whole command line, as it is when the command runs.</param>
    public static Command Create(CommonOptions common, RootCommand root)
    {
        var shell = new Argument<string>("shell") { Description = "The shell" };
        shell.Limit("bash", "zsh", "fish");
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
                "zsh" => Zsh(nodes),
                _ => Fish(nodes),
            };
            context.Output.Raw.Write(Encoding.UTF8.GetBytes(text));
            return Task.FromResult(ExitCodes.Done);
        });
        return command;
    }

    private static void Collect(
        Command command, string path, IReadOnlyList<(Option Option, string Group)> inherited, List<Node> nodes)
    {
        var all = command.Options
            .Where(option => !option.Hidden && option is not HelpOption and not VersionOption)
            .Select(option => (Option: option, Group: path)).Concat(inherited)
            .DistinctBy(declared => declared.Option.Name).ToList();
        var options = all.Where(declared => OptionUse.IsShown(declared.Option, declared.Group, path))
            .Select(declared => declared.Option).ToList();
        var commands = command.Subcommands.Where(child => !child.Hidden).ToList();
        nodes.Add(new Node(path, commands, options));
        foreach (var child in commands)
        {
            Collect(child, $"{path} {child.Name}".Trim(), [.. all.Where(declared => declared.Option.Recursive)], nodes);
        }
    }

    private static string Bash(List<Node> nodes) => Cases(
        "_ledger() {\n    local at=\"\" word words\n", "${COMP_WORDS[@]:1:COMP_CWORD-1}", "words='{0}'", nodes).Append(
            """
                esac
                COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
                if [ ${#COMPREPLY[@]} -eq 0 ]; then
                    compopt -o default 2>/dev/null
                fi
            }
            complete -F _ledger ledger

            """).ToString();

    // A function of zsh's own, which is called when the file is found in fpath, and registered when it is sourced.
    private static string Zsh(List<Node> nodes) => Cases(
        "#compdef ledger\n_ledger() {\n    local at=\"\" word\n    local -a names\n",
        "${(@)words[2,CURRENT-1]}", "names=({0})", nodes).Append(
            """
                esac
                compadd -a names || _files
            }
            if [ "$funcstack[1]" = "_ledger" ]; then
                _ledger "$@"
            else
                compdef _ledger ledger
            fi

            """).ToString();

    /// <summary>What both shells have in common, up to what can come next at each place.</summary>
    /// <remarks>
    /// Where a line is, is the words that are commands, as far as they are; values and arguments are passed over.
    /// </remarks>
    /// <param name="head">How the function begins.</param>
    /// <param name="before">The words before the one that is completed.</param>
    /// <param name="assign">Keeps what can come next, which stands for {0}.</param>
    /// <param name="nodes">The places.</param>
    private static StringBuilder Cases(string head, string before, string assign, List<Node> nodes)
    {
        var text = new StringBuilder(head).Append($"    for word in \"{before}\"; do\n");
        text.Append("        case \"${at:+$at }$word\" in\n");
        foreach (var node in nodes.Where(node => node.Path.Length > 0))
        {
            text.Append($"            '{node.Path}') at='{node.Path}' ;;\n");
        }

        text.Append("        esac\n    done\n    case \"$at\" in\n");
        foreach (var node in nodes)
        {
            text.Append($"        '{node.Path}') ")
                .Append(assign.Replace("{0}", string.Join(' ', node.Words), StringComparison.Ordinal)).Append(" ;;\n");
        }

        return text;
    }

    private static string Fish(List<Node> nodes)
    {
        var paths = nodes.Where(node => node.Path.Length > 0).Select(node => Quote(node.Path));
        var text = new StringBuilder($"set -g __ledger_commands {string.Join(' ', paths)}\n").Append(
            """
            function __ledger_at
                set -l at ''
                for word in (commandline -opc)[2..-1]
                    set -l next (string trim -- "$at $word")
                    if contains -- "$next" $__ledger_commands
                        set at $next
                    end
                end
                test "$at" = "$argv"
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
    private sealed record Node(string Path, IReadOnlyList<Command> Commands, IReadOnlyList<Option> Options)
    {
        /// <summary>Everything that can come next.</summary>
        public IEnumerable<string> Words =>
            Commands.Select(child => child.Name).Concat(Options.Select(option => option.Name)).Append("--help");
    }
}
