using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Ledger.Commits;
using Ledger.Objects;
using Ledger.Pages.Rows;
using Ledger.Runtime;
using Ledger.Trees;

namespace Ledger;

/// <summary>What a repository's file <c>REPOSITORY</c> says (docs/formats/repository.md). Never changes.</summary>
/// <param name="Id">Random name of the repository.</param>
/// <param name="Device">Random name of the device.</param>
/// <param name="Secret">
/// The user's first secret, 32 bytes: everything that all devices must agree on comes from it.
/// </param>
internal sealed record RepositoryFile(UInt128 Id, DeviceId Device, ReadOnlyMemory<byte> Secret)
{
    /// <summary>Name of the file in the repository's directory.</summary>
    public const string Name = "REPOSITORY";

    /// <summary>Name of the file until it is complete.</summary>
    public const string NewName = "REPOSITORY.new";

    /// <summary>Length of the file.</summary>
    public const int SizeBytes = 80;

    private const uint Version = 1;
    private const int SecretSizeBytes = 32;

    private static ReadOnlySpan<byte> Magic => "LDGRREPO"u8;

    /// <summary>A new repository.</summary>
    public static RepositoryFile Create(LedgerRuntime runtime)
    {
        var bytes = new byte[16 + DeviceId.SizeBytes + SecretSizeBytes];
        runtime.Random.Fill(bytes);
        return new RepositoryFile(
            BinaryPrimitives.ReadUInt128BigEndian(bytes), DeviceId.Read(bytes.AsSpan(16)), bytes.AsMemory(32));
    }

    /// <summary>The settings of a new ledger: salt and seed come from the secret and the name alone.</summary>
    public SettingsRow SettingsOf(string ledger, long createdMs)
    {
        var salt = Derive("tree salt", ledger);
        return new SettingsRow(
            ledger,
            new TreeSalt(
                BinaryPrimitives.ReadUInt64LittleEndian(salt), BinaryPrimitives.ReadUInt64LittleEndian(salt.AsSpan(8))),
            ChunkSeed.FromBytes(Derive("chunk seed", ledger)),
            createdMs);
    }

    /// <summary>The file's bytes.</summary>
    public byte[] Encode()
    {
        var writer = new ByteWriter(SizeBytes);
        writer.WriteBytes(Magic);
        writer.WriteUInt32(Version);
        BinaryPrimitives.WriteUInt128BigEndian(writer.Reserve(16), Id);
        Device.CopyTo(writer.Reserve(DeviceId.SizeBytes));
        writer.WriteBytes(Secret.Span);
        writer.WriteUInt32(Crc32C.Of(writer.WrittenSpan));
        return writer.ToArray();
    }

    /// <summary>Reads the file's bytes.</summary>
    /// <exception cref="CorruptObjectException">They are damaged, or something else.</exception>
    /// <exception cref="FormatTooNewException">A newer version made them.</exception>
    public static RepositoryFile Decode(ReadOnlySpan<byte> content)
    {
        var reader = new ByteReader(content, "the file REPOSITORY");
        if (!reader.ReadBytes(Magic.Length).SequenceEqual(Magic))
        {
            throw reader.Corrupt("it does not begin as one");
        }

        var version = reader.ReadUInt32();
        if (version > Version)
        {
            throw new FormatTooNewException("The repository", version, Version);
        }

        if (version != Version || content.Length != SizeBytes)
        {
            throw reader.Corrupt($"it has version {version} and {content.Length} bytes");
        }

        var file = new RepositoryFile(
            BinaryPrimitives.ReadUInt128BigEndian(reader.ReadBytes(16)),
            DeviceId.Read(reader.ReadBytes(DeviceId.SizeBytes)),
            reader.ReadBytes(SecretSizeBytes).ToArray());
        var checksum = Crc32C.Of(content[..reader.Position]);
        return reader.ReadUInt32() == checksum ? file : throw reader.Corrupt("its checksum is wrong");
    }

    private byte[] Derive(string purpose, string ledger) => HKDF.DeriveKey(
        HashAlgorithmName.SHA256, Secret.ToArray(), outputLength: 16, salt: [],
        info: Encoding.UTF8.GetBytes($"ledger 2026-11-21 {purpose}\0{ledger}"));
}
