using System.Security.Cryptography;
using Ledger.Commits;
using Ledger.Objects;
using Ledger.Runtime;

namespace Ledger.Sync;

/// <summary>What a repository's file <c>SYNC</c> says (docs/formats/repository.md).</summary>
/// <param name="Cloud">Where the cloud is: <c>dir:</c> and a path.</param>
/// <param name="PrivateKey">The device's private key on the curve P-256: 32 bytes, big-endian.</param>
internal sealed record SyncFile(string Cloud, ReadOnlyMemory<byte> PrivateKey)
{
    /// <summary>Name of the file in the repository's directory.</summary>
    public const string Name = "SYNC";

    /// <summary>Longest file.</summary>
    public const int SizeBytesMax = 8192;

    private const int KeySizeBytes = 32;
    private const int CloudSizeBytesMax = 4096;
    private const uint Version = 1;

    private static ReadOnlySpan<byte> Magic => "LDGRSYNC"u8;

    /// <summary>The device's public key: x and y, 32 bytes each, big-endian.</summary>
    public byte[] PublicKey
    {
        get
        {
            using var key = ECDiffieHellman.Create(
                new ECParameters { Curve = ECCurve.NamedCurves.nistP256, D = PrivateKey.ToArray() });
            var point = key.ExportParameters(includePrivateParameters: false).Q;
            return [.. point.X ?? [], .. point.Y ?? []];
        }
    }

    /// <summary>A new key pair.</summary>
    public static SyncFile Create(LedgerRuntime runtime, string cloud)
    {
        // The order of the group: a number from 1 to below it is a private key, and nearly all are.
        var order = UInt128.Parse("ffffffff00000000ffffffffffffffff", System.Globalization.NumberStyles.HexNumber,
            System.Globalization.CultureInfo.InvariantCulture);
        var key = new byte[KeySizeBytes];
        do
        {
            runtime.Random.Fill(key);
        }
        while (System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(key) is var high &&
            (high >= order || high == 0));

        return new SyncFile(cloud, key);
    }

    /// <summary>The file's bytes.</summary>
    public byte[] Encode()
    {
        var writer = new ByteWriter();
        writer.WriteBytes(Magic);
        writer.WriteUInt32(Version);
        writer.WriteBytes(PrivateKey.Span);
        writer.WriteSized(CommitCodec.StrictUtf8.GetBytes(Cloud));
        writer.WriteUInt32(Crc32C.Of(writer.WrittenSpan));
        return writer.ToArray();
    }

    /// <summary>Reads the file's bytes.</summary>
    /// <exception cref="CorruptObjectException">They are damaged, or something else.</exception>
    /// <exception cref="FormatTooNewException">A newer version made them.</exception>
    public static SyncFile Decode(ReadOnlySpan<byte> content)
    {
        var reader = new ByteReader(content, "the file SYNC");
        if (!reader.ReadBytes(Magic.Length).SequenceEqual(Magic))
        {
            throw reader.Corrupt("it does not begin as one");
        }

        var version = reader.ReadUInt32();
        if (version != Version)
        {
            throw version > Version
                ? new FormatTooNewException("The file SYNC", (int)Math.Min(version, int.MaxValue), (int)Version)
                : reader.Corrupt($"its version is {version}");
        }

        var key = reader.ReadBytes(KeySizeBytes).ToArray();
        var cloud = CommitCodec.ReadUtf8(
            ref reader, reader.ReadSized(1, CloudSizeBytesMax, "the length of the cloud's place"), "the cloud's place");
        var checksum = Crc32C.Of(content[..reader.Position]);
        if (reader.ReadUInt32() != checksum)
        {
            throw reader.Corrupt("its checksum is wrong");
        }

        reader.ExpectEnd();
        return new SyncFile(cloud, key);
    }
}
