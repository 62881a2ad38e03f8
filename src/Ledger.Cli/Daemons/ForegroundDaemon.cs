using System.Runtime.InteropServices;
using Ledger.Server.Configuration;
using Ledger.Server.Hosting;
using Ledger.Server.Logging;

namespace Ledger.Cli.Daemons;

/// <summary>Runs a daemon in this process until it is asked to stop.</summary>
internal static class ForegroundDaemon
{
    // A path of a Unix socket has no more room on some platforms; longer ones have no control socket.
    private const int SocketPathLengthMax = 100;

    /// <summary>Runs the daemon.</summary>
    /// <param name="path">The configuration.</param>
    /// <param name="isDetached">It was started in the background: without a terminal, and with a log file.</param>
    /// <param name="onReady">Called when it answers.</param>
    /// <param name="cancellationToken">Ends it, after it has drained.</param>
    /// <exception cref="CliException">Another daemon works in the directory.</exception>
    public static async Task RunAsync(
        string path, bool isDetached, Action<Daemon> onReady, CancellationToken cancellationToken)
    {
        if (isDetached)
        {
            Signals.LeaveTerminal();
        }

        Signals.KeepFilesPrivate();
        Signals.ReturnLargeBlocks();
        var configuration = LoadedConfiguration.Load(path, ConfigurationEnvironment.OfProcess());
        using var held = await InstanceLock.TryTakeAsync(configuration.Directory) ?? throw new CliException(
            ExitCodes.Conflict, $"A daemon runs in '{configuration.Directory}' already.",
            "'ledger status' says more; 'ledger stop' ends it.");

        // The key was for this process; what it may start has no use for it.
        Environment.SetEnvironmentVariable("LEDGER_API_KEY", null);
        using var log = LogOf(configuration, isDetached);
        await using var daemon = await Daemon.StartAsync(
            configuration, log, SocketOf(configuration.Directory), cancellationToken: cancellationToken);
        using var hangup = PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
        {
            context.Cancel = true;
            _ = ReloadAsync(daemon);
        });
        onReady(daemon);
        var cancelled = new TaskCompletionSource();
        await using var registration = cancellationToken.Register(() => cancelled.TrySetResult());
        await Task.WhenAny(daemon.StopAsked, cancelled.Task);
        await daemon.StopAsync();
    }

    private static string? SocketOf(string directory) =>
        InstanceLock.SocketOf(directory) is { Length: <= SocketPathLengthMax } path ? path : null;

    private static DaemonLog LogOf(LoadedConfiguration configuration, bool isDetached)
    {
        var options = configuration.Options;
        var path = options.LogFile ?? (isDetached ? Path.Combine(configuration.Directory, "ledger.log") : null);
        return new DaemonLog(path, options.IsLogJson || (isDetached && options.LogFile is null), options.LogLevel,
            TimeProvider.System);
    }

    private static async Task ReloadAsync(Daemon daemon)
    {
        try
        {
            await daemon.ReloadAsync();
        }
        catch (ConfigurationException)
        {
            // The log has it; whoever sends a signal hears nothing.
        }
    }
}
