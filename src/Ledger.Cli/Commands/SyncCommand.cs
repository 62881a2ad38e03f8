using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Ledger.Cli.Sync;
using Ledger.Cli.Terminal;
using Ledger.Sync;

namespace Ledger.Cli.Commands;

/// <summary><c>ledger sync</c>: a repository and the user's cloud.</summary>
internal static partial class SyncCommand
{
    /// <summary>Builds the group.</summary>
    public static Command Create(CommonOptions common)
    {
        var options = new SyncOptions();
        return new ExampleCommand(
            "sync", "Synchronise this device with the user's other ones, through a cloud that cannot read anything",
            "sync init --cloud dir:/mnt/shared/ledger --secret-file secret.txt",
            "sync join --secret-file secret.txt --data ./phone",
            "sync now",
            "sync status",
            "sync repair")
        {
            options.App,
            CreateInit(common, options),
            CreateJoin(common, options),
            CreateNow(common, options),
            CreateStatus(common, options),
            CreateDevices(common, options),
            CreateWatch(common, options),
            CreateRepair(common, options),
            CreateReset(common, options),
        };
    }

    private static ExampleCommand CreateInit(CommonOptions common, SyncOptions options)
    {
        var command = new ExampleCommand(
            "init", "Set up the cloud of this repository, and write the secret that other devices join with",
            "sync init --cloud dir:/mnt/shared/ledger --secret-file secret.txt")
        {
            options.Cloud, options.SecretFile,
        };
        CommandContext.SetAction(command, common, async context =>
        {
            var cloud = options.CloudOf(context) ?? throw CliException.Usage(
                "--cloud is missing: it says where the user's devices meet.", "Give --cloud dir:PATH.");
            var path = context.Parse.GetRequiredValue(options.SecretFile);
            if (File.Exists(path) && !Session.HasRepository(context.DataDirectory))
            {
                // The secret of a repository that is not there yet cannot be in it.
                throw SecretFileTaken(path);
            }

            await using var repository = await context.OpenRepositoryAsync(create: true);
            if (await repository.ReadSyncSecretAsync() is { } known && known.Cloud != cloud)
            {
                throw new CliException(
                    ExitCodes.Conflict, $"This repository synchronises with '{known.Cloud}' already, not '{cloud}'.",
                    "A repository has one cloud; join another one in another directory.");
            }

            var secret = await repository.InitSyncAsync(cloud, context.Token);
            await KeepAsync(secret, path, context.Token);
            Print(context, repository, secret, path);
            return ExitCodes.Done;
        });
        return command;
    }

    private static ExampleCommand CreateJoin(CommonOptions common, SyncOptions options)
    {
        var from = new Option<string?>("--import")
        {
            Description = "Take over the present entries of another repository, which stays as it is",
            HelpName = "DIR",
        };
        var command = new ExampleCommand(
            "join", "Make this directory another device of the user of a secret, and take in what the cloud has",
            "sync join --secret-file secret.txt --data ./phone",
            "sync join --secret-file secret.txt --cloud dir:/media/stick/ledger --data ./phone",
            "sync join --secret-file secret.txt --import ./old --data ./new")
        {
            options.SecretFile, options.Cloud, from, options.Timeout,
        };
        CommandContext.SetAction(command, common, async context =>
        {
            var path = context.Parse.GetRequiredValue(options.SecretFile);
            var secret = await ReadAsync(path);
            if (options.CloudOf(context) is { } cloud)
            {
                secret = secret.At(cloud);
            }

            if (context.Parse.GetValue(options.Timeout) is null)
            {
                // Before anything is made: a directory that has joined the wrong place joins no other one.
                await secret.CheckCloudAsync(cancellationToken: context.Token);
            }

            var repository = await context.JoinAsync(secret, context.Parse.GetValue(from));
            await using var session = await SyncSession.StartAsync(
                repository, context.Parse.GetValue(options.App), context.Token);
            Print(context, repository, secret, path);
            context.Output.Flush();
            await SyncAsync(context, options, session);
            return ExitCodes.Done;
        });
        return command;
    }

    private static ExampleCommand CreateNow(CommonOptions common, SyncOptions options)
    {
        var command = new ExampleCommand(
            "now", "Bring this device and the cloud to the same state, then end",
            "sync now", "sync now --timeout 30 --json", "sync now --app notes")
        {
            options.Timeout,
        };
        CommandContext.SetAction(command, common, async context =>
        {
            await using var session = await SyncSession.StartAsync(
                await context.OpenRepositoryAsync(create: false), context.Parse.GetValue(options.App), context.Token);
            await SyncAsync(context, options, session);
            return ExitCodes.Done;
        });
        return command;
    }

    private static ExampleCommand CreateStatus(CommonOptions common, SyncOptions options)
    {
        var command = new ExampleCommand(
            "status", "Connect, and print how this device and the cloud stand to each other",
            "sync status", "sync status --json");
        CommandContext.SetAction(command, common, async context =>
        {
            await using var session = await SyncSession.StartAsync(
                await context.OpenRepositoryAsync(create: false), context.Parse.GetValue(options.App), context.Token);
            foreach (var app in session.Sync.Ledgers)
            {
                Print(context, app, await session.SettleAsync(app, context.Token));
            }

            return ExitCodes.Done;
        });
        return command;
    }

    private static async Task SyncAsync(CommandContext context, SyncOptions options, SyncSession session)
    {
        var seconds = context.Parse.GetValue(options.Timeout);
        await session.SyncNowAsync(
            seconds is { } given ? TimeSpan.FromSeconds(given) : null, context.Token);
        foreach (var app in session.Sync.Ledgers)
        {
            Print(context, app, await session.Sync.GetStatusAsync(app, context.Token));
        }
    }

    private static async Task<SyncSecret> ReadAsync(string path)
    {
        // The library says of a file that cannot be read why; that it is missing has a code of its own.
        if (!File.Exists(path))
        {
            throw new CliException(
                ExitCodes.NotFound, $"There is no file '{path}'.", "'ledger sync init' on the first device writes it.");
        }

        try
        {
            return await SyncSecret.ReadAsync(path);
        }
        catch (FormatException error)
        {
            throw new CliException(
                ExitCodes.Failed, $"'{path}' has no secret. {error.Message}",
                "Give the file that 'ledger sync init' wrote on the first device.",
                error);
        }
    }

    private static async Task KeepAsync(SyncSecret secret, string path, CancellationToken cancellationToken)
    {
        if (!File.Exists(path))
        {
            await secret.WriteAsync(path);
        }
        else if (await File.ReadAllTextAsync(path, cancellationToken) != secret.ToText())
        {
            throw SecretFileTaken(path);
        }
    }

    private static CliException SecretFileTaken(string path) => new(
        ExitCodes.Conflict, $"The file '{path}' is there already and has something else in it.",
        "Give another --secret-file: nothing is written over a secret.");

    private static void Print(CommandContext context, Repository repository, SyncSecret secret, string path) =>
        context.Output.Result(
            $"device {repository.DeviceId} synchronises with {secret.Cloud}; the secret is in {path}",
            json =>
            {
                json.WriteString("device", repository.DeviceId);
                json.WriteString("cloud", secret.Cloud);
                json.WriteString("secret_file", path);
            });

    private static void Print(CommandContext context, string app, SyncStatus status)
    {
        if (context.Output.IsJson)
        {
            context.Output.Json(json => Write(json, app, status));
            return;
        }

        context.Output.Line(string.Create(
            CultureInfo.InvariantCulture,
            $"{app}: {NameOf(status.Phase)}; received {status.EntriesReceived} ({status.BytesReceived} bytes), sent " +
            $"{status.EntriesSent} ({status.BytesSent} bytes), " +
            $"{Words.Count(status.Devices.Count, "device")}, state {status.Digest}"));
        if (status.Error is { } error)
        {
            context.Output.Line($"  {LineText.Escape(error)}");
        }

        foreach (var problem in status.Problems)
        {
            context.Output.Line($"  {LineText.Escape(problem.Message)}");
        }
    }

    private static void Write(Utf8JsonWriter json, string app, SyncStatus status)
    {
        json.WriteString("app", app);
        json.WriteString("phase", NameOf(status.Phase));
        json.WriteString("block", status.Block == SyncBlock.None ? null : NameOf(status.Block));
        json.WriteString("error", status.Error);
        json.WriteNumber("received", status.EntriesReceived);
        json.WriteNumber("received_bytes", status.BytesReceived);
        json.WriteNumber("sent", status.EntriesSent);
        json.WriteNumber("sent_bytes", status.BytesSent);
        json.WriteNumber("pages_to_upload", status.PagesToUpload);
        json.WriteNumber("pages_to_show", status.PagesToShow);
        json.WriteNumber("commits_waiting", status.CommitsWaiting);
        json.WriteString("digest", status.Digest);
        json.WriteStartArray("problems");
        foreach (var problem in status.Problems)
        {
            json.WriteStartObject();
            json.WriteString("kind", NameOf(problem.Kind));
            json.WriteString("message", problem.Message);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("devices");
        foreach (var device in status.Devices)
        {
            json.WriteStartObject();
            Write(json, device);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void Write(Utf8JsonWriter json, SyncDeviceStatus device)
    {
        json.WriteString("device", device.Device);
        json.WriteBoolean("this", device.IsThis);
        json.WriteNumber("entries", device.Entries);
        json.WriteString("last_heard", CommitNames.Format(device.LastHeard));
    }

    // The library's words in the form of the other names: 'TooMuchWaiting' is 'too_much_waiting'.
    private static string NameOf<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());
}
