using Ledger.Conformance;
using Ledger.Runtime;
using Ledger.Runtime.Real;
using Xunit;

namespace Ledger.Tests.Runtime;

public sealed class TcpNetworkTests : NetworkConformance
{
    protected override INetwork Network { get; } = new SocketNetwork();

    [Fact]
    public async Task Port_zero_becomes_a_free_one()
    {
        await using var listener = await Network.ListenAsync("127.0.0.1:0", CancellationToken.None);

        Assert.Matches("^127\\.0\\.0\\.1:[1-9][0-9]*$", listener.Address);
    }

    [Fact]
    public async Task Listening_at_a_host_name_is_refused() =>
        await Assert.ThrowsAsync<ArgumentException>(async () => await Network.ListenAsync("example.org:0", default));
}

public sealed class UnixNetworkTests : NetworkConformance, IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("ledger-tests-");

    protected override INetwork Network { get; } = new SocketNetwork();

    protected override string FreeAddress => $"unix:{_directory.FullName}/socket";

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public async Task A_socket_file_that_a_killed_process_left_is_replaced()
    {
        // Bound and closed without the file being removed, as when the process is killed.
        var path = $"{_directory.FullName}/socket";
        var bound = await Network.ListenAsync($"unix:{path}.bound", CancellationToken.None);
        File.Move($"{path}.bound", path);
        await bound.DisposeAsync();
        Assert.Contains("socket", _directory.GetFileSystemInfos().Select(info => info.Name));

        await using var listener = await Network.ListenAsync(FreeAddress, CancellationToken.None);
        await using var client = await Network.ConnectAsync(FreeAddress, CancellationToken.None);

        Assert.NotNull(await listener.AcceptAsync(CancellationToken.None));
    }
}
