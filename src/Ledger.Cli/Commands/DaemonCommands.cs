using System.CommandLine;
using System.Globalization;
using Ledger.Cli.Daemons;
using Ledger.Server.Configuration;
using Ledger.Server.Hosting;
using Ledger.Server.Identities;

namespace Ledger.Cli.Commands;

/// <summary><c>start</c>, <c>stop</c>, <c>status</c>, <c>reload</c> and <c>version</c>.</summary>
internal static class DaemonCommands
{
    private static readonly TimeSpan StopMargin = TimeSpan.FromSeconds(10);

    /// <summary>Builds the commands.</summary>
    public static IEnumerable<Command> Create(CommonOptions common, ServerOptions server) =>
    [
        CreateStart(common, server),
        CreateStop(common, server),
        CreateStatus(common, server),
        CreateReload(common, server),
        CreateVersion(common),
    ];

    /// <summary>The name of the command that runs a daemon.</summary>
    public const string StartName = "start";

    private static ExampleCommand CreateStart(CommonOptions common, ServerOptions server)
    {
        var foreground = new Option<bool>("--foreground")
        {
            Description = "Stay in this terminal and log to it, until Ctrl-C or SIGTERM",
        };
        var detached = new Option<bool>("--detached") { Hidden = true };
        var command = new ExampleCommand(
            StartName,
            "Start the daemon, and wait until it answers; a first start writes ~/.ledger/config.yaml",
            "start",
            "start --foreground --config /etc/ledger/config.yaml",
            "stream append hello --stream user-123",
            "stop")
        {
            foreground, detached,
        };
        CommandContext.SetAction(command, common, async context =>
        {
            var config = server.ConfigOf(context.Parse);
            CheckNoPages(config);
            WriteFirst(config);
            if (context.Parse.GetValue(foreground))
            {
                await RunAsync(context, config.Path, context.Parse.GetValue(detached));
                return ExitCodes.Done;
            }

            if (await InstanceLock.FindRunningAsync(config.Directory, context.Token) is { } running)
            {
                if (running == 0)
                {
                    throw new CliException(
                        ExitCodes.Conflict, $"A daemon is starting or ending in '{config.Directory}'.",
                        "Try again; 'ledger status' says more.");
                }

                WriteRunning(context, $"ledger runs already, with pid {Text(running)}", running, isNew: false);
                return ExitCodes.Done;
            }

            var pid = await BackgroundStart.StartAsync(config.Path, context.Token);
            WriteRunning(context, $"ledger started, with pid {Text(pid)}", pid, isNew: true);
            return ExitCodes.Done;
        });
        return command;
    }

    private static ExampleCommand CreateStop(CommonOptions common, ServerOptions server)
    {
        var command = new ExampleCommand(
            "stop", "Stop the daemon: calls in hand end first, within 'stop_timeout'", "stop");
        CommandContext.SetAction(command, common, async context =>
        {
            var config = server.ConfigOf(context.Parse);
            if (await InstanceLock.FindRunningAsync(config.Directory, context.Token) is not { } pid)
            {
                config.Require();
                WriteStopped(context, "ledger does not run", null);
                return ExitCodes.Done;
            }

            using var client = new ControlClient(config.Directory);
            if (!await client.AskToStopAsync(context.Token))
            {
                await SignalAsync(config.Directory, pid, context.Token);
            }

            await WaitForEndAsync(config, pid, context.Token);
            WriteStopped(context, $"ledger stopped; it had pid {Text(pid)}", pid);
            return ExitCodes.Done;
        });
        return command;
    }

    private static ExampleCommand CreateStatus(CommonOptions common, ServerOptions server)
    {
        var command = new ExampleCommand(
            "status", "Say whether the daemon runs, and where it serves; exit code 5 when it does not",
            "status", "status --json");
        CommandContext.SetAction(command, common, async context =>
        {
            var config = server.ConfigOf(context.Parse);
            if (await InstanceLock.FindRunningAsync(config.Directory, context.Token) is not { } pid)
            {
                config.Require();
                WriteStopped(context, "ledger does not run", null);
                return ExitCodes.Unavailable;
            }

            using var client = new ControlClient(config.Directory);
            if (await client.FindStatusAsync(context.Token) is not { } status)
            {
                throw new CliException(
                    ExitCodes.Unavailable, $"The daemon with pid {Text(pid)} runs and does not answer.",
                    "It may be starting, or stopping.");
            }

            Write(context, status);
            return status.Trouble is null ? ExitCodes.Done : ExitCodes.Unavailable;
        });
        return command;
    }

    private static ExampleCommand CreateReload(CommonOptions common, ServerOptions server)
    {
        var command = new ExampleCommand(
            "reload", "Let the daemon take over its configuration, as a whole or not at all",
            "reload");
        CommandContext.SetAction(command, common, async context =>
        {
            var config = server.ConfigOf(context.Parse);
            if (await InstanceLock.FindRunningAsync(config.Directory, context.Token) is null)
            {
                config.Require();
                throw new CliException(ExitCodes.Unavailable, "The daemon does not run.", "'ledger start' starts it.");
            }

            using var client = new ControlClient(config.Directory);
            var result = await client.ReloadAsync(context.Token) ?? throw new CliException(
                ExitCodes.Unavailable, "The daemon does not answer.", "It may be starting, or stopping.");
            if (result.Problems.Count > 0)
            {
                throw new CliException(
                    ExitCodes.Failed, string.Join('\n', result.Problems),
                    $"Correct {config.Path}; the daemon goes on with the old configuration.");
            }

            context.Output.Result(
                result.Changed.Count == 0 ? "reloaded; nothing changed"
                    : $"reloaded; changed: {string.Join(", ", result.Changed)}",
                json =>
                {
                    json.WriteStartArray("changed");
                    foreach (var key in result.Changed)
                    {
                        json.WriteStringValue(key);
                    }

                    json.WriteEndArray();
                });
            return ExitCodes.Done;
        });
        return command;
    }

    private static ExampleCommand CreateVersion(CommonOptions common)
    {
        var command = new ExampleCommand("version", "Print the version", "version");
        CommandContext.SetAction(command, common, context =>
        {
            context.Output.Result(
                $"ledger {DaemonVersion.Text}", json => json.WriteString("version", DaemonVersion.Text));
            return Task.FromResult(ExitCodes.Done);
        });
        return command;
    }

    // Both would write into it: a copy of the pages would carry the daemon's key, and neither could be moved alone.
    private static void CheckNoPages(ConfigPath config)
    {
        if (Session.HasRepository(config.Directory))
        {
            throw new CliException(
                ExitCodes.Unavailable, $"'{config.Directory}' holds a repository of pages, not the files of a daemon.",
                "Give --config a path in another directory, or move the repository and name it with --data.");
        }
    }

    private static void WriteFirst(ConfigPath config)
    {
        if (config.Exists)
        {
            return;
        }

        config.Require();
        SecretFile.CreateDirectory(config.Directory);
        SecretFile.Write(config.Path, ConfigurationTemplate.Write(ApiKey.Create()));
        Console.Error.WriteLine($"ledger: wrote {config.Path}, with a key of its own.");
    }

    private static Task RunAsync(CommandContext context, string path, bool isDetached) =>
        ForegroundDaemon.RunAsync(
            path, isDetached,
            daemon =>
            {
                if (isDetached)
                {
                    context.Output.Line(BackgroundStart.ReadyLine);
                }
                else
                {
                    var addresses = string.Join(
                        ", ", daemon.AddressesOf(ListenerKind.Grpc).Concat(daemon.AddressesOf(ListenerKind.Http)));
                    context.Output.Result(
                        $"ledger serves at {addresses}, with pid {Text(Environment.ProcessId)}",
                        json =>
                        {
                            json.WriteNumber("pid", Environment.ProcessId);
                            WriteAddresses(
                                json, "listen", daemon.AddressesOf(ListenerKind.Grpc).Select(end => end.ToString()!));
                            WriteAddresses(
                                json, "http_listen",
                                daemon.AddressesOf(ListenerKind.Http).Select(end => end.ToString()!));
                        });
                }

                context.Output.Flush();
            },
            context.Token);

    private static async Task SignalAsync(string directory, int pid, CancellationToken cancellationToken)
    {
        if (!await InstanceLock.IsOwnAsync(directory, pid, cancellationToken))
        {
            if (await InstanceLock.FindRunningAsync(directory, cancellationToken) is null)
            {
                // It has ended meanwhile.
                return;
            }

            throw new CliException(
                ExitCodes.Unavailable, $"The daemon in '{directory}' does not answer, and it is not certain that the "
                    + $"process {Text(pid)} is it: nothing was stopped.",
                "It may be starting or stopping: try again.");
        }

        if (!Signals.AskToEnd(pid))
        {
            throw new CliException(
                ExitCodes.Denied, $"The daemon with pid {Text(pid)} cannot be asked to stop.",
                "It may be another user's.");
        }
    }

    private static async Task WaitForEndAsync(ConfigPath config, int pid, CancellationToken cancellationToken)
    {
        var bound = StopMargin + StopTimeoutOf(config);
        if (!await InstanceLock.WaitForEndAsync(config.Directory, pid, bound, cancellationToken))
        {
            throw new CliException(
                ExitCodes.Unavailable, $"The daemon with pid {Text(pid)} did not stop within {bound}.",
                "Its log says more.");
        }
    }

    private static TimeSpan StopTimeoutOf(ConfigPath config)
    {
        try
        {
            return LoadedConfiguration.Load(config.Path, ConfigurationEnvironment.OfProcess()).Options.StopTimeout;
        }
        catch (ConfigurationException)
        {
            // Somebody is editing it; the daemon goes on with what it read, and stops all the same.
            return TimeSpan.Zero;
        }
    }

    private static void Write(CommandContext context, DaemonStatus status)
    {
        if (context.Output.IsJson)
        {
            context.Output.Json(json =>
            {
                json.WriteBoolean("running", true);
                json.WriteNumber("pid", status.Pid);
                json.WriteString("version", status.Version);
                json.WriteString("started", CommitNames.Format(status.Started));
                WriteAddresses(json, "listen", status.Listen);
                WriteAddresses(json, "http_listen", status.HttpListen);
                json.WriteString("trouble", status.Trouble);
            });
            return;
        }

        context.Output.Line(
            $"ledger {status.Version} runs with pid {Text(status.Pid)} since {CommitNames.Format(status.Started)}");
        context.Output.Line($"gRPC: {string.Join(", ", status.Listen)}");
        context.Output.Line($"HTTP: {(status.HttpListen.Count == 0 ? "off" : string.Join(", ", status.HttpListen))}");
        if (status.Trouble is { } trouble)
        {
            context.Output.Line($"Trouble: {trouble}");
        }
    }

    private static void WriteAddresses(
        System.Text.Json.Utf8JsonWriter json, string name, IEnumerable<string> addresses)
    {
        json.WriteStartArray(name);
        foreach (var address in addresses)
        {
            json.WriteStringValue(address);
        }

        json.WriteEndArray();
    }

    private static void WriteRunning(CommandContext context, string text, int pid, bool isNew) =>
        context.Output.Result(text, json =>
        {
            json.WriteBoolean("running", true);
            json.WriteNumber("pid", pid);
            json.WriteBoolean("started", isNew);
        });

    private static void WriteStopped(CommandContext context, string text, int? pid) =>
        context.Output.Result(text, json =>
        {
            json.WriteBoolean("running", false);
            if (pid is { } had)
            {
                json.WriteNumber("pid", had);
            }
        });

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
