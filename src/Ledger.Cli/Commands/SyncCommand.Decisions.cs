using System.Globalization;
using Ledger.Cli.Sync;
using Ledger.Sync;

namespace Ledger.Cli.Commands;

/// <summary>Who takes part, what happens, and what the user decides when the cloud is not what it was.</summary>
internal static partial class SyncCommand
{
    private static ExampleCommand CreateDevices(CommonOptions common, SyncOptions options)
    {
        var command = new ExampleCommand(
            "devices", "Connect, and list the devices of which anything was received, and when each was last heard",
            "sync devices", "sync devices --json");
        CommandContext.SetAction(command, common, async context =>
        {
            await using var session = await StartAsync(context, options);
            foreach (var app in session.Sync.Ledgers)
            {
                foreach (var device in (await session.SettleAsync(app, context.Token)).Devices)
                {
                    Print(context, app, device);
                }
            }

            return ExitCodes.Done;
        });
        return command;
    }

    private static ExampleCommand CreateWatch(CommonOptions common, SyncOptions options)
    {
        var limit = RangeOptions.CreateLimit("End after so many lines");
        var command = new ExampleCommand(
            "watch", "Synchronise, and print how it stands whenever that changes, until Ctrl-C",
            "sync watch", "sync watch --app notes --json")
        {
            limit,
        };
        CommandContext.SetAction(command, common, async context =>
        {
            await using var session = await StartAsync(context, options);
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(context.Token);
            var left = new Countdown(context.Parse.GetValue(limit) ?? int.MaxValue);
            await Task.WhenAll(session.Sync.Ledgers.Select(app => WatchAsync(context, session, app, left, stop)));
            return ExitCodes.Done;
        }, follows: true);
        return command;
    }

    private static ExampleCommand CreateRepair(CommonOptions common, SyncOptions options)
    {
        var command = new ExampleCommand(
            "repair", "Take the cloud as it is: receive all of it anew, and send what it lacks; nothing local is lost",
            "sync repair", "sync repair --timeout 60")
        {
            options.Timeout,
        };
        CommandContext.SetAction(command, common, async context =>
        {
            await using var session = await StartAsync(context, options);
            foreach (var app in session.Sync.Ledgers)
            {
                await session.Sync.RepairAsync(app, context.Token);
            }

            await SyncAsync(context, options, session);
            return ExitCodes.Done;
        });
        return command;
    }

    private static ExampleCommand CreateReset(CommonOptions common, SyncOptions options)
    {
        var command = new ExampleCommand(
            "reset", "Go on with another cloud, or a new one: everything local is sent to it by the next 'sync now'",
            "sync reset --cloud dir:/mnt/other/ledger --secret-file secret.txt")
        {
            options.Cloud, options.SecretFile,
        };
        CommandContext.SetAction(command, common, async context =>
        {
            var cloud = options.CloudOf(context) ?? throw CliException.Usage(
                "--cloud is missing: it says where the user's devices meet from now on.", "Give --cloud dir:PATH.");
            var path = context.Parse.GetRequiredValue(options.SecretFile);
            await using var repository = await context.OpenRepositoryAsync(create: false);
            var known = await repository.ReadSyncSecretAsync() ?? throw new CliException(
                ExitCodes.NotFound, "This repository has no cloud: its synchronisation was never set up.",
                "'ledger sync init' sets it up.");

            // The file is written first: a reset whose secret could not be kept has not happened.
            var secret = known.At(cloud);
            await KeepAsync(secret, path, context.Token);
            await repository.ResetSyncAsync(cloud, context.Token);
            Print(context, repository, secret, path);
            return ExitCodes.Done;
        });
        return command;
    }

    private static async Task<SyncSession> StartAsync(CommandContext context, SyncOptions options) =>
        await SyncSession.StartAsync(
            await context.OpenRepositoryAsync(create: false), context.Parse.GetValue(options.App), context.Token);

    private static async Task WatchAsync(
        CommandContext context, SyncSession session, string app, Countdown left, CancellationTokenSource stop)
    {
        try
        {
            SyncStatus? last = null;
            await foreach (var status in session.Sync.WatchStatusAsync(app, stop.Token))
            {
                if (last is not null && IsSame(last, status))
                {
                    continue;
                }

                last = status;
                if (!left.TryPass(() => Print(context, app, status)))
                {
                    await stop.CancelAsync();
                    return;
                }

                context.Output.Flush();
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested && !context.Token.IsCancellationRequested)
        {
            // Enough was printed.
        }
    }

    // Lists are new with each status: what they hold is in the counts and the digest.
    private static bool IsSame(SyncStatus left, SyncStatus right) =>
        left with { Problems = right.Problems, Devices = right.Devices } == right &&
        left.Problems.SequenceEqual(right.Problems);

    private static void Print(CommandContext context, string app, SyncDeviceStatus device)
    {
        if (context.Output.IsJson)
        {
            context.Output.Json(json =>
            {
                json.WriteString("app", app);
                Write(json, device);
            });
            return;
        }

        context.Output.Line(string.Create(
            CultureInfo.InvariantCulture,
            $"{app}: {device.Device}, {device.Entries} {(device.Entries == 1 ? "entry" : "entries")}, " +
            $"last heard {CommitNames.Format(device.LastHeard)}" +
            $"{(device.IsThis ? ", this device" : "")}"));
    }

    /// <summary>Lets so many lines pass, from several applications at once.</summary>
    /// <param name="left">Lines.</param>
    private sealed class Countdown(int left)
    {
        private readonly Lock _gate = new();

        /// <summary>Prints a line.</summary>
        /// <returns>False when it was the last, or is one too many.</returns>
        public bool TryPass(Action print)
        {
            lock (_gate)
            {
                if (left > 0)
                {
                    left--;
                    print();
                }

                return left > 0;
            }
        }
    }
}
