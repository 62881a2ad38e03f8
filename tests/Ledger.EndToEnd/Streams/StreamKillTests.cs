using System.Globalization;
using Ledger.Conformance.Streams;
using Ledger.EndToEnd.Foreign;
using Ledger.EndToEnd.Processes;
using Ledger.Streams;
using Xunit;

namespace Ledger.EndToEnd.Streams;

/// <summary>Processes that append to a SQLite file pass the kit.</summary>
public sealed class SqliteKillTests : StreamKillConformance, IDisposable
{
    private readonly TestDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    protected override ValueTask<IStreamStore> OpenAsync() => StreamDatabase.OpenAnyAsync(_directory["app.db"]);

    protected override ValueTask<IKilledAppender> StartAsync(string stream, int first) =>
        new(new StreamAppender(_directory, _directory["app.db"], stream, first));
}

/// <summary>Processes that append to a PostgreSQL database pass the kit.</summary>
public sealed class PostgresKillTests : StreamKillConformance, IDisposable
{
    private readonly TestDirectory _directory = new();
    private readonly PostgresServer _server = new(isDurable: true);

    public void Dispose()
    {
        _server.Dispose();
        _directory.Dispose();
    }

    protected override ValueTask<IStreamStore> OpenAsync() => StreamDatabase.OpenAnyAsync(_server.ConnectionString);

    protected override ValueTask<IKilledAppender> StartAsync(string stream, int first) =>
        new(new StreamAppender(_directory, _server.ConnectionString, stream, first));
}

/// <summary>Processes that append over the wire, to a daemon that stays, pass the kit.</summary>
public sealed class RemoteKillTests : StreamKillConformance, IAsyncLifetime, IDisposable
{
    private readonly TestDirectory _directory = new();
    private DaemonProcess? _daemon;

    // What a kill can tear apart is on this side of the wire.
    protected override int Kills => Math.Max(3, base.Kills / 4);

    private string Address => $"http://{_daemon!.Address}";

    public async Task InitializeAsync() => _daemon = await DaemonProcess.StartAsync(_directory.Path, "daemon", "");

    public Task DisposeAsync() => Task.CompletedTask;

    public void Dispose()
    {
        _daemon?.Dispose();
        _directory.Dispose();
    }

    protected override ValueTask<IStreamStore> OpenAsync() => StreamDatabase.OpenAnyAsync(Address);

    protected override ValueTask<IKilledAppender> StartAsync(string stream, int first) =>
        new(new StreamAppender(_directory, Address, stream, first));
}

/// <summary>A process of <see cref="StreamChild"/> that appends.</summary>
internal sealed class StreamAppender(TestDirectory directory, string database, string stream, int first)
    : IKilledAppender
{
    private readonly Child _child = Child.Start(
        "Ledger.EndToEnd.dll", directory.Path, "streams", database, stream,
        first.ToString(CultureInfo.InvariantCulture));

    public string Error { get; private set; } = "";

    public async Task<int?> NextAsync()
    {
        if (await _child.ReadLineAsync() is { } line)
        {
            return int.Parse(line, CultureInfo.InvariantCulture);
        }

        var result = await _child.EndAsync();
        Error = $"{result.ExitCode}: {result.Error}";
        return null;
    }

    public void Kill() => _child.Kill();

    public void Dispose() => _child.Dispose();
}
