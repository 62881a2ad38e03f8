using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;
using Ledger.Commits;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Runtime;

namespace Ledger.Sync;

/// <summary>What a sealed entry holds.</summary>
internal enum EntryKind : byte
{
    /// <summary>A batch of commits (docs/formats/batch.md).</summary>
    Batch = 1,

    /// <summary>The number of pieces, in blobs, of a batch that is too long for an entry.</summary>
    Pieces = 2,

    /// <summary>A record of the catalog.</summary>
    Catalog = 3,

    /// <summary>A checkpoint.</summary>
    Checkpoint = 4,

    /// <summary>The secret of a key epoch, wrapped to each device.</summary>
    KeyEpoch = 5,
}

/// <summary>Everything that is authenticated with an entry and travels beside it or in the open.</summary>
/// <param name="Kind">What it holds.</param>
/// <param name="Page">The page it is appended to.</param>
/// <param name="Id">Its id.</param>
/// <param name="Device">Who made it.</param>
/// <param name="Sequence">Its number among the device's entries in the ledger.</param>
/// <param name="Previous">
/// <see cref="EntrySeal.HashOf"/> of the device's entry before it in the ledger; zero for the first.
/// </param>
internal sealed record EntryHeader(
    EntryKind Kind, PageName Page, EntryId Id, DeviceId Device, long Sequence, UInt128 Previous);

/// <summary>Seals and opens entries (docs/formats/sealing.md).</summary>
internal static class EntrySeal
{
    /// <summary>First byte of every sealed entry.</summary>
    public const byte Version = 1;

    /// <summary>Most content of one entry.</summary>
    public const int ContentSizeBytesMax = CloudLimits.EntrySizeBytesMax - 128;

    private const int PaddingSizeBytes = 32;
    private const int PreviousSizeBytes = 16;

    /// <summary>What the device's next entry says about this one: the first 16 bytes of its SHA-256.</summary>
    public static UInt128 HashOf(ReadOnlySpan<byte> sealedEntry) =>
        BinaryPrimitives.ReadUInt128BigEndian(SHA256.HashData(sealedEntry));

    /// <summary>Seals an entry.</summary>
    /// <param name="keys">The ledger's, of the newest epoch.</param>
    /// <param name="random">Gives 24 bytes.</param>
    /// <param name="header">What is authenticated.</param>
    /// <param name="content">At most <see cref="ContentSizeBytesMax"/> bytes.</param>
    /// <param name="bugs">Faults that a test planted.</param>
    public static byte[] Seal(
        SyncKeys keys, IRandomness random, EntryHeader header, ReadOnlySpan<byte> content,
        PlantedBugs bugs = PlantedBugs.None)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(content.Length, ContentSizeBytesMax, nameof(content));
        Span<byte> drawn = stackalloc byte[SyncKeys.NonceSizeBytes];
        random.Fill(drawn);
        var padded = Padding.Add(content, PaddedSizeOf(Padding.LengthSizeBytes + content.Length));
        var authenticated = Authenticated(header, keys.Epoch);
        var nonce = bugs.HasFlag(PlantedBugs.SyncReuseNonce)
            ? new byte[SyncKeys.NonceSizeBytes]
            : keys.EntryNonceOf(drawn, authenticated, padded);
        var writer = new ByteWriter(padded.Length + 128);
        writer.WriteByte(Version);
        writer.WriteByte((byte)header.Kind);
        writer.WriteVarint(keys.Epoch);
        BinaryPrimitives.WriteUInt128BigEndian(writer.Reserve(PreviousSizeBytes), header.Previous);
        writer.WriteBytes(nonce);
        keys.EncryptEntry(nonce, authenticated, padded, writer.Reserve(padded.Length + SyncKeys.TagSizeBytes));
        return writer.ToArray();
    }

    /// <summary>The epoch whose keys open an entry, so that the right ones can be chosen.</summary>
    /// <exception cref="CorruptObjectException">It does not begin as an entry.</exception>
    /// <exception cref="FormatTooNewException">A newer version sealed it.</exception>
    public static uint ReadEpoch(ReadOnlySpan<byte> sealedEntry)
    {
        var reader = new ByteReader(sealedEntry, "a sealed entry");
        return ReadStart(ref reader).Epoch;
    }

    /// <summary>Opens an entry.</summary>
    /// <param name="keys">Of the entry's epoch.</param>
    /// <param name="page">The page that the cloud says it is of.</param>
    /// <param name="entry">As the cloud gave it.</param>
    /// <returns>What was authenticated, and the content.</returns>
    /// <exception cref="CorruptObjectException">It is damaged, forged, or not of this page, device and
    /// place.</exception>
    /// <exception cref="FormatTooNewException">A newer version sealed it.</exception>
    public static (EntryHeader Header, byte[] Content) Open(SyncKeys keys, PageName page, CloudEntry entry)
    {
        var reader = new ByteReader(entry.Content.Span, "a sealed entry");
        var (kind, epoch) = ReadStart(ref reader);
        if (epoch != keys.Epoch)
        {
            throw reader.Corrupt($"it is of key epoch {epoch}, not {keys.Epoch}");
        }

        var previous = BinaryPrimitives.ReadUInt128BigEndian(reader.ReadBytes(PreviousSizeBytes));
        var header = new EntryHeader(kind, page, entry.Id, entry.Device, entry.Sequence, previous);
        var nonce = reader.ReadBytes(SyncKeys.NonceSizeBytes);
        var padded = keys.TryDecryptEntry(nonce, Authenticated(header, epoch), reader.ReadBytes(reader.Remaining))
            ?? throw reader.Corrupt("it was not sealed with this user's keys for this place");
        var content = Padding.Remove(padded, ref reader);
        return PaddedSizeOf(Padding.LengthSizeBytes + content.Length) == padded.Length
            ? (header, content)
            : throw reader.Corrupt("its padding has another length");
    }

    private static int PaddedSizeOf(int sizeBytes) =>
        (sizeBytes + PaddingSizeBytes - 1) / PaddingSizeBytes * PaddingSizeBytes;

    private static (EntryKind Kind, uint Epoch) ReadStart(ref ByteReader reader)
    {
        var version = reader.ReadByte();
        if (version != Version)
        {
            throw version > Version
                ? new FormatTooNewException("A sealed entry", version, Version)
                : reader.Corrupt($"its version is {version}");
        }

        var kind = (EntryKind)reader.ReadByte();
        return kind is >= EntryKind.Batch and <= EntryKind.KeyEpoch
            ? (kind, (uint)reader.ReadVarint(0, uint.MaxValue, "the key epoch"))
            : throw reader.Corrupt($"it has the unknown kind {(byte)kind}");
    }

    private static ReadOnlySpan<byte> Authenticated(EntryHeader header, uint epoch)
    {
        var writer = new ByteWriter();
        writer.WriteBytes("ledger entry"u8);
        writer.WriteByte(Version);
        writer.WriteByte((byte)header.Kind);
        BinaryPrimitives.WriteUInt32BigEndian(writer.Reserve(sizeof(uint)), epoch);
        header.Page.CopyTo(writer.Reserve(PageName.SizeBytes));
        header.Id.CopyTo(writer.Reserve(EntryId.SizeBytes));
        header.Device.CopyTo(writer.Reserve(DeviceId.SizeBytes));
        BinaryPrimitives.WriteInt64BigEndian(writer.Reserve(sizeof(long)), header.Sequence);
        BinaryPrimitives.WriteUInt128BigEndian(writer.Reserve(PreviousSizeBytes), header.Previous);
        return writer.WrittenSpan;
    }
}

/// <summary>
/// Seals and opens blobs: equal content under one name is always equal bytes (docs/formats/sealing.md).
/// </summary>
internal static class BlobSeal
{
    /// <summary>First byte of every sealed blob.</summary>
    public const byte Version = 1;

    /// <summary>Most content of one blob.</summary>
    public const int ContentSizeBytesMax = 256 * 1024;

    /// <summary>Seals a blob.</summary>
    /// <param name="keys">The ledger's, of the newest epoch.</param>
    /// <param name="name">What the cloud will call it; authenticated.</param>
    /// <param name="content">At most <see cref="ContentSizeBytesMax"/> bytes.</param>
    public static byte[] Seal(SyncKeys keys, BlobName name, ReadOnlySpan<byte> content)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(content.Length, ContentSizeBytesMax, nameof(content));
        var padded = Padding.Add(content, Padding.LengthSizeBytes + PadmeSizeOf(content.Length));
        var authenticated = Authenticated(name, keys.Epoch);
        var nonce = keys.BlobNonceOf(authenticated, padded);
        var writer = new ByteWriter(padded.Length + 64);
        writer.WriteByte(Version);
        writer.WriteVarint(keys.Epoch);
        writer.WriteBytes(nonce);
        keys.EncryptBlob(nonce, authenticated, padded, writer.Reserve(padded.Length + SyncKeys.TagSizeBytes));
        return writer.ToArray();
    }

    /// <summary>The epoch whose keys open a blob.</summary>
    /// <exception cref="CorruptObjectException">It does not begin as a blob.</exception>
    /// <exception cref="FormatTooNewException">A newer version sealed it.</exception>
    public static uint ReadEpoch(ReadOnlySpan<byte> sealedBlob)
    {
        var reader = new ByteReader(sealedBlob, "a sealed blob");
        return ReadStart(ref reader);
    }

    /// <summary>Opens a blob.</summary>
    /// <param name="keys">Of the blob's epoch.</param>
    /// <param name="name">What the cloud was asked for.</param>
    /// <param name="sealedBlob">What it gave.</param>
    /// <exception cref="CorruptObjectException">It is damaged, forged, or another blob.</exception>
    /// <exception cref="FormatTooNewException">A newer version sealed it.</exception>
    public static byte[] Open(SyncKeys keys, BlobName name, ReadOnlySpan<byte> sealedBlob)
    {
        var reader = new ByteReader(sealedBlob, "a sealed blob");
        var epoch = ReadStart(ref reader);
        if (epoch != keys.Epoch)
        {
            throw reader.Corrupt($"it is of key epoch {epoch}, not {keys.Epoch}");
        }

        var nonce = reader.ReadBytes(SyncKeys.NonceSizeBytes);
        var authenticated = Authenticated(name, epoch);
        var padded = keys.TryDecryptBlob(nonce, authenticated, reader.ReadBytes(reader.Remaining))
            ?? throw reader.Corrupt($"it was not sealed with this user's keys as {name}");
        if (!keys.BlobNonceOf(authenticated, padded).AsSpan().SequenceEqual(nonce))
        {
            throw reader.Corrupt("its nonce is not that of its content");
        }

        var content = Padding.Remove(padded, ref reader);
        return Padding.LengthSizeBytes + PadmeSizeOf(content.Length) == padded.Length
            ? content
            : throw reader.Corrupt("its padding has another length");
    }

    /// <summary>A length rounded up so that at most 12 % are added and only a logarithm of it shows (Padmé).</summary>
    internal static int PadmeSizeOf(int sizeBytes)
    {
        if (sizeBytes < 2)
        {
            return sizeBytes;
        }

        var exponent = BitOperations.Log2((uint)sizeBytes);
        var keptBits = BitOperations.Log2((uint)exponent) + 1;
        var mask = (1 << Math.Max(0, exponent - keptBits)) - 1;
        return (sizeBytes + mask) & ~mask;
    }

    private static uint ReadStart(ref ByteReader reader)
    {
        var version = reader.ReadByte();
        if (version != Version)
        {
            throw version > Version
                ? new FormatTooNewException("A sealed blob", version, Version)
                : reader.Corrupt($"its version is {version}");
        }

        return (uint)reader.ReadVarint(0, uint.MaxValue, "the key epoch");
    }

    private static ReadOnlySpan<byte> Authenticated(BlobName name, uint epoch)
    {
        var writer = new ByteWriter();
        writer.WriteBytes("ledger blob"u8);
        writer.WriteByte(Version);
        BinaryPrimitives.WriteUInt32BigEndian(writer.Reserve(sizeof(uint)), epoch);
        name.CopyTo(writer.Reserve(BlobName.SizeBytes));
        return writer.WrittenSpan;
    }
}

/// <summary>A length, content and zeros.</summary>
internal static class Padding
{
    /// <summary>Bytes before the content.</summary>
    public const int LengthSizeBytes = sizeof(uint);

    /// <summary>Adds zeros up to a size.</summary>
    public static byte[] Add(ReadOnlySpan<byte> content, int sizeBytes)
    {
        var padded = new byte[sizeBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(padded, (uint)content.Length);
        content.CopyTo(padded.AsSpan(LengthSizeBytes));
        return padded;
    }

    /// <summary>Takes the zeros away.</summary>
    /// <param name="padded">What was decrypted.</param>
    /// <param name="reader">Names what it was, for the error.</param>
    public static byte[] Remove(ReadOnlySpan<byte> padded, ref ByteReader reader)
    {
        if (padded.Length < LengthSizeBytes)
        {
            throw reader.Corrupt("it has no length");
        }

        var length = BinaryPrimitives.ReadUInt32LittleEndian(padded);
        var rest = padded[LengthSizeBytes..];
        return length <= rest.Length && !rest[(int)length..].ContainsAnyExcept((byte)0)
            ? rest[..(int)length].ToArray()
            : throw reader.Corrupt("its padding is not zeros");
    }
}
