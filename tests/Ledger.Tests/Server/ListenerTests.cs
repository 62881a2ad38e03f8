using System.Net.Sockets;
using Ledger.Server.Hosting;
using Xunit;

namespace Ledger.Tests.Server;

public sealed class ListenerTests
{
    [Fact]
    public void A_Unix_socket_is_its_owners_alone_before_anybody_can_connect()
    {
        if (OperatingSystem.IsWindows())
        {
            return; // Who may use a file is said otherwise there.
        }

        var directory = Directory.CreateTempSubdirectory("ledger-listener-").FullName;
        var endPoint = new UnixDomainSocketEndPoint(Path.Combine(directory, "s"));
        using (var socket = new Listener(ListenerKind.Grpc, "listen", endPoint).Bind())
        using (var early = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            var error = Assert.Throws<SocketException>(() => early.Connect(endPoint));

            Assert.Equal(SocketError.ConnectionRefused, error.SocketErrorCode);
            Assert.Equal(
                UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(directory, "s")));
        }

        Directory.Delete(directory, recursive: true);
    }
}
