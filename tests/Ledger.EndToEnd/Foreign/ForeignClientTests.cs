using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Ledger.EndToEnd.Processes;
using Ledger.Tests.Rpc;
using Xunit;

namespace Ledger.EndToEnd.Foreign;

/// <summary>A client that is not ours, @grpc/grpc-js with the published proto files, on the daemon.</summary>
public sealed class ForeignClientTests
{
    private static string Here => Path.Combine(AppContext.BaseDirectory, "Foreign");

    [Fact]
    public async Task Every_method_answers_a_client_that_is_not_ours()
    {
        var modules = await InstallAsync();
        var directory = Directory.CreateTempSubdirectory("ledger-foreign-").FullName;
        try
        {
            using var authority = TestCertificates.Make("CN=authority", null);
            using var client = TestCertificates.Make("CN=client", authority);
            using var own = TestCertificates.Make("CN=localhost", authority);
            string Write(string name, string text)
            {
                var path = Path.Combine(directory, name);
                File.WriteAllText(path, text);
                return path;
            }

            var ca = Write("ca.pem", authority.ExportCertificatePem());
            var tls = $"  cert: {Write("own.pem", own.ExportCertificatePem())}\n  key: " +
                Write("own-key.pem", own.GetRSAPrivateKey()!.ExportPkcs8PrivateKeyPem());
            using var plain = await DaemonProcess.StartAsync(directory, "plain", "");
            using var secure = await DaemonProcess.StartAsync(directory, "secure", $"tls:\n{tls}\n");
            using var mutual = await DaemonProcess.StartAsync(directory, "mutual", $"tls:\n{tls}\n  ca: {ca}\n");
            var settings = JsonSerializer.Serialize(new Dictionary<string, object>
            {
                ["modules"] = modules,
                ["protos"] = Path.Combine(AppContext.BaseDirectory, "proto"),
                ["address"] = plain.Address,
                ["pid"] = plain.Id,
                ["tls"] = mutual.Address,
                ["tlsOnly"] = secure.Address,
                ["key"] = DaemonProcess.Key,
                ["ca"] = ca,
                ["cert"] = Write("cert.pem", client.ExportCertificatePem()),
                ["key_file"] = Write("key.pem", client.GetRSAPrivateKey()!.ExportPkcs8PrivateKeyPem()),
            });
            using var child = Child.StartProgram("node", modules, [Path.Combine(Here, "client.mjs"), settings]);
            var result = await child.EndAsync().WaitAsync(TimeSpan.FromMinutes(2));

            Assert.True(result.ExitCode == 0, result.Text + result.Error);
            Assert.Equal(11, result.Lines.Length);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    /// <summary>Installs what the lock file says, once for each lock file; gives the directory.</summary>
    private static async Task<string> InstallAsync()
    {
        var cache = Environment.GetEnvironmentVariable("LEDGER_TEST_CACHE") is { Length: > 0 } given
            ? given
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache", "ledger-tests");
        var hash = SHA256.HashData(await File.ReadAllBytesAsync(Path.Combine(Here, "package-lock.json")));
        var target = Path.Combine(cache, "foreign-" + Convert.ToHexStringLower(hash)[..16]);
        if (Directory.Exists(target))
        {
            return target;
        }

        // Beside, and moved when it is whole: another run may do the same.
        var draft = Directory.CreateDirectory(target + "-" + Path.GetRandomFileName()).FullName;
        File.Copy(Path.Combine(Here, "package.json"), Path.Combine(draft, "package.json"));
        File.Copy(Path.Combine(Here, "package-lock.json"), Path.Combine(draft, "package-lock.json"));
        using var npm = Child.StartProgram("npm", draft, ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        var result = await npm.EndAsync().WaitAsync(TimeSpan.FromMinutes(5));
        Assert.True(result.ExitCode == 0, result.Text + result.Error);
        try
        {
            Directory.Move(draft, target);
        }
        catch (IOException) when (Directory.Exists(target))
        {
            Directory.Delete(draft, recursive: true);
        }

        return target;
    }
}
