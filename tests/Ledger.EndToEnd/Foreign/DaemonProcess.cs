using System.Text.Json;
using Ledger.EndToEnd.Processes;
using Xunit;

namespace Ledger.EndToEnd.Foreign;

/// <summary>A daemon as a process, on a free port; killed when it is disposed.</summary>
internal sealed class DaemonProcess : IDisposable
{
    /// <summary>The key that may do everything.</summary>
    public const string Key = "key-of-the-tests";

    private readonly Child _child;

    private DaemonProcess(Child child, string address) => (_child, Address) = (child, address);

    /// <summary>Where it serves gRPC, as host and port.</summary>
    public string Address { get; }

    /// <summary>Its process id.</summary>
    public int Id => _child.Id;

    /// <summary>Starts one and waits until it answers.</summary>
    /// <param name="parent">Where its directory is made.</param>
    /// <param name="name">The directory's name.</param>
    /// <param name="more">Further lines of its configuration.</param>
    public static async Task<DaemonProcess> StartAsync(string parent, string name, string more)
    {
        var directory = Directory.CreateDirectory(Path.Combine(parent, name)).FullName;
        var config = Path.Combine(directory, "config.yaml");
        await File.WriteAllTextAsync(
            config, $"listen: 127.0.0.1:0\nhttp_listen: \"\"\napi_key: {Key}\nlog_file: {directory}/log\n{more}");
        var child = Child.StartLedger(directory, "start", "--foreground", "--config", config, "--json");
        var line = await child.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(60));
        if (line is null)
        {
            var result = await child.EndAsync();
            child.Dispose();
            Assert.Fail($"The daemon '{name}' ended with {result.ExitCode}: {result.Text}{result.Error}");
        }

        using var ready = JsonDocument.Parse(line);
        return new DaemonProcess(child, ready.RootElement.GetProperty("listen")[0].GetString()!);
    }

    /// <inheritdoc/>
    public void Dispose() => _child.Dispose();
}
