using System.Diagnostics;
using System.Globalization;

namespace Ledger.Conformance.Streams;

/// <summary>
/// A throwaway PostgreSQL cluster. The shared one is the one of the test run (<c>LEDGER_POSTGRES</c>), or is started
/// when it is first asked for; a test that stops its server has one of its own.
/// </summary>
internal sealed class PostgresServer : IDisposable
{
    private static readonly Lazy<string> SharedConnection = new(StartShared);

    private readonly string _directory = Directory.CreateTempSubdirectory("ledger-pg-").FullName;
    private readonly bool _isDurable;

    /// <summary>Starts a cluster.</summary>
    /// <param name="isDurable">Whether commits are flushed.</param>
    public PostgresServer(bool isDurable)
    {
        _isDurable = isDurable;
        ConnectionString = Start();
    }

    /// <summary>How to connect to the shared cluster.</summary>
    public static string Shared => SharedConnection.Value;

    /// <summary>How to connect.</summary>
    public string ConnectionString { get; }

    /// <summary>Starts it again after a stop.</summary>
    /// <remarks>It ends with this process at the latest, also when that is killed.</remarks>
    public string Start() => Run(
        "start", _directory, _isDurable ? "durable" : "quick",
        Environment.ProcessId.ToString(CultureInfo.InvariantCulture));

    /// <summary>Stops it as a crash does: nothing more is written, and recovery is left to the next start.</summary>
    public void StopImmediately() => Run("stop", _directory, "immediate");

    /// <inheritdoc/>
    public void Dispose()
    {
        if (File.Exists(Path.Combine(_directory, "data", "postmaster.pid")))
        {
            StopImmediately();
        }

        Directory.Delete(_directory, recursive: true);
    }

    private static string StartShared() =>
        Environment.GetEnvironmentVariable("LEDGER_POSTGRES") is { Length: > 0 } given
            ? given : new PostgresServer(isDurable: false).ConnectionString;

    private static string Run(params string[] arguments)
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "Ledger.slnx")))
        {
            directory = directory.Parent;
        }

        // Through files: the server inherits whatever it is given as output, and would keep a pipe open.
        var script = Path.Combine(directory?.FullName ?? "", "tests", "postgres.sh");
        var output = Path.GetTempFileName();
        try
        {
            using var process = Process.Start(
                "/bin/sh",
                ["-c", "out=$1; shift; \"$@\" >\"$out\" 2>&1 </dev/null", "sh", output, script, .. arguments]);
            process.WaitForExit();
            var said = File.ReadAllText(output).Trim();
            return process.ExitCode == 0
                ? said : throw new InvalidOperationException($"PostgreSQL did not {arguments[0]}: {said}");
        }
        finally
        {
            File.Delete(output);
        }
    }
}
