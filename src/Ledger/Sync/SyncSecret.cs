using System.Security.Cryptography;
using System.Text;
using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Runtime.Real;

namespace Ledger.Sync;

/// <summary>
/// What another device of the user needs to join: the secret and where the cloud is. Keep it like a key.
/// </summary>
/// <remarks>As text it is a file of four lines: version, secret, cloud, and a check that finds typing errors.</remarks>
public sealed class SyncSecret
{
    /// <summary>Length of the secret in bytes.</summary>
    internal const int SizeBytes = 32;

    private const string FirstLine = "ledger-secret 1";
    private const int FileSizeBytesMax = 8192;

    internal SyncSecret(ReadOnlyMemory<byte> secret, string cloud)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(secret.Length, SizeBytes, nameof(secret));
        (Secret, Cloud) = (secret, cloud);
    }

    /// <summary>Where the cloud is: <c>dir:</c> and a path.</summary>
    public string Cloud { get; }

    /// <summary>The user's first secret.</summary>
    internal ReadOnlyMemory<byte> Secret { get; }

    /// <summary>The same secret, for a device that finds the cloud at another place.</summary>
    /// <param name="cloud"><c>dir:</c> and a path.</param>
    public SyncSecret At(string cloud)
    {
        CloudLocation.Check(cloud);
        return new SyncSecret(Secret, cloud);
    }

    /// <summary>Reads what <see cref="ToText"/> has written.</summary>
    /// <exception cref="FormatException">It is something else, incomplete, or mistyped; the message says
    /// which.</exception>
    public static SyncSecret Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var lines = text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (lines.Length == 0 || lines[0] != FirstLine)
        {
            throw new FormatException($"A secret begins with the line '{FirstLine}'.");
        }

        var secret = ValueOf(lines, "secret");
        var cloud = ValueOf(lines, "cloud");
        if (ValueOf(lines, "check") != CheckOf(secret, cloud))
        {
            throw new FormatException("The check of the secret does not fit: something in it was mistyped.");
        }

        return secret.Length == 2 * SizeBytes && secret.All(char.IsAsciiHexDigitLower)
            ? new SyncSecret(Convert.FromHexString(secret), cloud)
            : throw new FormatException($"A secret has {2 * SizeBytes} lower-case hexadecimal digits.");
    }

    /// <summary>Reads a secret from a file.</summary>
    /// <exception cref="FormatException">The file holds something else, is too long for a secret, or was
    /// mistyped.</exception>
    /// <exception cref="StoreUnavailableException">The file cannot be read.</exception>
    public static async Task<SyncSecret> ReadAsync(string path, LedgerRuntime? runtime = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        runtime ??= SystemRuntime.Create();
        await runtime.Enter();
        return Parse(await runtime.Offload(
            static state => SmallFile.Guard(
                state.path, () => ReadText(state.runtime.Files, state.path)),
            (runtime, path)));
    }

    /// <summary>Writes the secret to a new file that only its owner may read; durable when it completes.</summary>
    /// <exception cref="StoreUnavailableException">The name is taken, or the file cannot be written.</exception>
    public async Task WriteAsync(string path, LedgerRuntime? runtime = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        runtime ??= SystemRuntime.Create();
        await runtime.Enter();
        await runtime.Offload(
            static state => SmallFile.Guard(
                state.path,
                () =>
                {
                    SmallFile.WriteNew(state.runtime.Files, state.path, Encoding.UTF8.GetBytes(state.text));
                    return true;
                }),
            (runtime, path, text: ToText()));
    }

    /// <summary>Asks once whether the cloud is there, such as before a device is made that joins it.</summary>
    /// <param name="runtime">The seams; null for the system's.</param>
    /// <param name="cancellationToken">Ends the asking.</param>
    /// <exception cref="CloudUnavailableException">It is not.</exception>
    public async Task CheckCloudAsync(LedgerRuntime? runtime = null, CancellationToken cancellationToken = default)
    {
        runtime ??= SystemRuntime.Create();
        await runtime.Enter();
        await using var connection = await CloudLocation.Open(runtime, Cloud)
            .ConnectAsync(default, [], null, cancellationToken);
    }

    /// <summary>Four lines; whoever has them reads and writes everything.</summary>
    public string ToText()
    {
        var secret = Convert.ToHexStringLower(Secret.Span);
        return $"{FirstLine}\nsecret: {secret}\ncloud: {Cloud}\ncheck: {CheckOf(secret, Cloud)}\n";
    }

    /// <summary>Where the cloud is; never the secret.</summary>
    public override string ToString() => $"secret for {Cloud}";

    private static string ReadText(IFileSystem files, string path)
    {
        using var file = files.Open(path, FileOpening.ReadOnly);
        if (file.Length > FileSizeBytesMax)
        {
            throw new FormatException(
                $"A secret has {FileSizeBytesMax} bytes at most, and the file has {file.Length}.");
        }

        var content = new byte[file.Length];
        return Encoding.UTF8.GetString(content[..file.ReadFully(0, content)]);
    }

    private static string ValueOf(string[] lines, string name) =>
        Array.Find(lines, line => line.StartsWith(name + ":", StringComparison.Ordinal)) is { } found
            ? found[(name.Length + 1)..].Trim()
            : throw new FormatException($"The secret has no line '{name}:'.");

    private static string CheckOf(string secret, string cloud) => Convert.ToHexStringLower(
        SHA256.HashData(Encoding.UTF8.GetBytes($"{FirstLine}\n{secret}\n{cloud}")).AsSpan(0, 4));
}
