using System.Diagnostics;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Ledger.EndToEnd.Processes;
using Ledger.Tests.Rpc;
using Xunit;

namespace Ledger.EndToEnd.Daemon;

/// <summary>Certificates of the real daemon: of clients on the command line, and its own when it changes.</summary>
public sealed class CertificateTests : IDisposable
{
    private readonly DaemonShell _shell = new();
    private readonly X509Certificate2 _authority = TestCertificates.Make("CN=authority", null);

    public void Dispose()
    {
        _authority.Dispose();
        _shell.Dispose();
    }

    [Fact]
    public async Task The_command_line_shows_a_certificate_of_its_own_to_a_daemon_that_asks_for_one()
    {
        using var own = WriteServer(1);
        using var client = TestCertificates.Make("CN=client", _authority);
        using var stranger = TestCertificates.Make("CN=stranger", null);
        var ca = WriteCertificate("ca.pem", _authority);
        var (cert, key) = (WriteCertificate("client.pem", client), WriteKey("client-key.pem", client));
        _shell.Configure($"tls: {{ cert: own.pem, key: own-key.pem, ca: {ca} }}", listen: "localhost:0");
        var (child, http) = await _shell.ForegroundAsync();
        using (child)
        using (http)
        {
            var address = $"localhost:{_shell.Started.GetProperty("listen")[0].GetString()!.Split(':')[^1]}";
            string[] to = ["--addr", address];

            var appended = await _shell.DoAsync(
                ["stream", "append", "hello", .. to, "--tls-ca", ca, "--tls-cert", cert, "--tls-key", key]);
            var read = await RunAsync(
                [$"LEDGER_TLS_CA={ca}", $"LEDGER_TLS_CERT={cert}", $"LEDGER_TLS_KEY={key}"],
                ["stream", "read", .. to]);
            var without = await _shell.FailAsync(
                5, ["stream", "read", "--addr", "https://" + address, "--tls-ca", ca]);
            var untrusted = await _shell.FailAsync(
                5,
                [
                    "stream", "read", .. to, "--tls-ca", WriteCertificate("other.pem", stranger),
                    "--tls-cert", cert, "--tls-key", key,
                ]);
            var half = await _shell.FailAsync(2, ["stream", "read", .. to, "--tls-cert", cert]);
            var damaged = await _shell.FailAsync(1, ["stream", "read", .. to, "--tls-ca", key]);

            Assert.Equal(("1\n", 0, "1\thello\n"), (appended.Text, read.ExitCode, read.Text));
            Assert.Contains("--tls-cert and --tls-key give yours", without, StringComparison.Ordinal);
            Assert.Contains(
                "is refused: nobody who is trusted here signed it; it is from 'CN=authority'.", untrusted,
                StringComparison.Ordinal);
            Assert.Contains("--tls-cert and --tls-key go together", half, StringComparison.Ordinal);
            Assert.Contains("--tls-ca: the file ", damaged, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_new_certificate_counts_for_new_connections_and_a_bad_one_for_none()
    {
        using var first = WriteServer(1);
        _shell.Configure("tls: { cert: own.pem, key: own-key.pem }");
        var (child, http) = await _shell.ForegroundAsync();
        using (child)
        using (http)
        {
            var port = int.Parse(_shell.Started.GetProperty("http_listen")[0].GetString()!.Split(':')[^1], null);
            using var old = await ConnectAsync(port);
            var before = await AskAsync(old);
            using var second = WriteServer(2);
            await child.SignalAsync("HUP");

            // How long a signal takes nobody says: the next connections do.
            for (var begin = Stopwatch.GetTimestamp(); await SerialAsync(port) == first.SerialNumber;)
            {
                Assert.InRange(Stopwatch.GetElapsedTime(begin), TimeSpan.Zero, TimeSpan.FromMinutes(2));
            }

            var during = await AskAsync(old);
            _shell.Directory.Write("own.pem", "This is no certificate.");
            await child.SignalAsync("HUP");
            var refused = await _shell.FailAsync(1, "reload");
            var after = await SerialAsync(port);
            var still = await AskAsync(old);
            await child.SignalAsync("TERM");
            var end = await child.EndAsync();

            Assert.Equal(["200", "200", "200"], [before, during, still]);
            Assert.Equal((second.SerialNumber, 0), (after, end.ExitCode));
            Assert.Equal(first.Thumbprint, ((X509Certificate2)old.RemoteCertificate!).Thumbprint);
            Assert.Contains("'tls.cert': the file ", refused, StringComparison.Ordinal);
            Assert.Contains("'tls.cert': the file ", end.Error, StringComparison.Ordinal);
        }
    }

    private static async Task<SslStream> ConnectAsync(int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync("127.0.0.1", port);
        var stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
        await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "localhost",
            RemoteCertificateValidationCallback = (_, given, _, _) => given?.Issuer == "CN=authority",
        });
        return stream;
    }

    private static async Task<string> SerialAsync(int port)
    {
        using var stream = await ConnectAsync(port);
        return ((X509Certificate2)stream.RemoteCertificate!).SerialNumber;
    }

    /// <summary>Asks for health over a connection that stays.</summary>
    /// <returns>The status.</returns>
    private static async Task<string> AskAsync(SslStream stream)
    {
        await stream.WriteAsync("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray());
        using var reader = new StreamReader(stream, Encoding.ASCII, false, 4_096, leaveOpen: true);
        var status = (await reader.ReadLineAsync())!.Split(' ')[1];
        var length = 0;
        while (await reader.ReadLineAsync() is { Length: > 0 } header)
        {
            length = header.StartsWith("Content-Length: ", StringComparison.OrdinalIgnoreCase)
                ? int.Parse(header.Split(' ')[1], null) : length;
        }

        await reader.ReadBlockAsync(new char[length]);
        return status;
    }

    private async Task<ChildResult> RunAsync(string[] environment, string[] arguments)
    {
        using var child = Child.StartProgram(
            "env", _shell.Directory.Path,
            [
                .. environment, "dotnet", Path.Combine(AppContext.BaseDirectory, "Ledger.Cli.dll"), .. arguments,
                "--config", _shell.ConfigPath,
            ]);
        return await child.EndAsync();
    }

    /// <summary>Writes another certificate of the server's and its key.</summary>
    private X509Certificate2 WriteServer(byte serial)
    {
        var own = TestCertificates.Make("CN=localhost", _authority, serial: serial);
        WriteKey("own-key.pem", own);
        WriteCertificate("own.pem", own);
        return own;
    }

    private string WriteCertificate(string name, X509Certificate2 certificate) =>
        _shell.Directory.Write(name, certificate.ExportCertificatePem());

    private string WriteKey(string name, X509Certificate2 certificate) =>
        _shell.Directory.Write(name, certificate.GetRSAPrivateKey()!.ExportPkcs8PrivateKeyPem());
}
