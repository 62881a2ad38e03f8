using System.Diagnostics;
using Ledger.Server.Configuration;

namespace Ledger.Cli.Daemons;

/// <summary>Starts this program again as a daemon of its own, and waits until it answers.</summary>
internal static class BackgroundStart
{
    /// <summary>What the daemon writes on its standard output when it answers.</summary>
    public const string ReadyLine = "ready";

    // Beyond what the database may take: the platform's own start, on a busy machine.
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(20);

    /// <summary>Starts it.</summary>
    /// <param name="path">The configuration.</param>
    /// <param name="cancellationToken">Ends the start.</param>
    /// <returns>Its process id.</returns>
    /// <exception cref="CliException">It did not start; says why.</exception>
    public static async Task<int> StartAsync(string path, CancellationToken cancellationToken)
    {
        var timeout = LoadedConfiguration.Load(path, ConfigurationEnvironment.OfProcess()).Options.StartTimeout;
        using var child = Start(path);
        child.StandardInput.Close();
        var error = child.StandardError.ReadToEndAsync(cancellationToken);
        using var late = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        late.CancelAfter(timeout + Margin);
        try
        {
            if (await child.StandardOutput.ReadLineAsync(late.Token) == ReadyLine)
            {
                return child.Id;
            }

            await child.WaitForExitAsync(late.Token);
        }
        catch (OperationCanceledException) when (late.IsCancellationRequested)
        {
            child.Kill();
            cancellationToken.ThrowIfCancellationRequested();
            throw new CliException(
                ExitCodes.Unavailable, $"The daemon did not answer within {timeout + Margin}, and was ended.",
                "'ledger start --foreground' shows what it does; 'start_timeout' in the configuration is how long.");
        }

        // It has said it all itself; here it is said again, as this command's own.
        var lines = (await error).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        const string Prefix = "ledger: ";
        const string HintPrefix = "hint: ";
        var hint = lines.LastOrDefault(line => line.StartsWith(HintPrefix, StringComparison.Ordinal));
        var message = string.Join('\n', lines.Where(line => line != hint));
        throw new CliException(
            child.ExitCode == 0 ? ExitCodes.Failed : child.ExitCode,
            message.StartsWith(Prefix, StringComparison.Ordinal) ? message[Prefix.Length..]
                : message.Length > 0 ? message : "The daemon ended before it answered.",
            hint?[HintPrefix.Length..] ?? "'ledger start --foreground' shows what it does.");
    }

    private static Process Start(string path)
    {
        var program = Environment.ProcessPath
            ?? throw new CliException(ExitCodes.Failed, "This program does not know where it is.");
        var start = new ProcessStartInfo(program)
        {
            WorkingDirectory = Path.GetDirectoryName(path)!,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        if (Path.GetFileNameWithoutExtension(program) == "dotnet")
        {
            start.ArgumentList.Add(Path.GetFullPath(Environment.GetCommandLineArgs()[0]));
        }

        foreach (var argument in (string[])["start", "--foreground", "--detached", "--config", path])
        {
            start.ArgumentList.Add(argument);
        }

        // A command collects garbage beside nothing else; a daemon answers calls meanwhile.
        start.Environment["DOTNET_gcConcurrent"] = "1";
        return Process.Start(start) ?? throw new CliException(ExitCodes.Failed, $"'{program}' did not start.");
    }
}
