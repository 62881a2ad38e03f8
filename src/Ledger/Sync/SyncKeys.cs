using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Ledger.Objects;
using Ledger.Pages;

namespace Ledger.Sync;

/// <summary>The keys of one ledger in one key epoch (docs/formats/sealing.md).</summary>
/// <remarks>
/// Everything comes by HKDF-SHA-256 from the epoch's secret; names always from the user's first secret, so that they
/// never change. Safe for concurrent use.
/// </remarks>
internal sealed class SyncKeys
{
    /// <summary>Length of a secret and of every key.</summary>
    public const int KeySizeBytes = 32;

    /// <summary>Length of the number that makes each message's key its own.</summary>
    public const int NonceSizeBytes = 24;

    /// <summary>Length of the authentication tag.</summary>
    public const int TagSizeBytes = 16;

    private const int GcmNonceSizeBytes = 12;
    private const string Context = "ledger 2026-11-21 ";

    private readonly byte[] _nameKey;
    private readonly byte[] _entryKey;
    private readonly byte[] _entryNonceKey;
    private readonly byte[] _blobKey;
    private readonly byte[] _blobNonceKey;

    /// <summary>Derives the keys.</summary>
    /// <param name="firstSecret">The user's first secret, 32 bytes: names come from it.</param>
    /// <param name="epochSecret">The epoch's secret; the first one itself in epoch 0.</param>
    /// <param name="epoch">The key epoch.</param>
    /// <param name="ledger">The ledger's name.</param>
    public SyncKeys(ReadOnlySpan<byte> firstSecret, ReadOnlySpan<byte> epochSecret, uint epoch, string ledger)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(firstSecret.Length, KeySizeBytes, nameof(firstSecret));
        ArgumentOutOfRangeException.ThrowIfNotEqual(epochSecret.Length, KeySizeBytes, nameof(epochSecret));
        Epoch = epoch;
        _nameKey = Derive(firstSecret, "sync names", 0, ledger);
        _entryKey = Derive(epochSecret, "sync entry keys", epoch, ledger);
        _entryNonceKey = Derive(epochSecret, "sync entry nonces", epoch, ledger);
        _blobKey = Derive(epochSecret, "sync blob keys", epoch, ledger);
        _blobNonceKey = Derive(epochSecret, "sync blob nonces", epoch, ledger);
        Ledger = LedgerName.Read(NameOf("ledger"));
        Catalog = PageName.Read(NameOf("catalog"));
    }

    /// <summary>The key epoch.</summary>
    public uint Epoch { get; }

    /// <summary>What the cloud calls the ledger.</summary>
    public LedgerName Ledger { get; }

    /// <summary>What the cloud calls the ledger's catalog, which is no page's name.</summary>
    public PageName Catalog { get; }

    /// <summary>What the cloud calls a page.</summary>
    public PageName NameOf(PageId page)
    {
        Span<byte> id = stackalloc byte[PageId.SizeBytes];
        page.CopyTo(id);
        return PageName.Read(NameOf("page", id));
    }

    /// <summary>What the cloud calls an object.</summary>
    public BlobName NameOf(ObjectKind kind, ObjectId id)
    {
        Span<byte> content = stackalloc byte[1 + ObjectId.HashSizeBytes];
        content[0] = (byte)kind;
        id.CopyHashTo(content[1..]);
        return BlobName.Read(NameOf("object", content));
    }

    /// <summary>What the cloud calls a piece of a batch that is too long for its entry.</summary>
    /// <param name="entry">The entry that will name it.</param>
    /// <param name="index">0 for the first piece.</param>
    public BlobName NameOf(EntryId entry, int index)
    {
        Span<byte> content = stackalloc byte[EntryId.SizeBytes + sizeof(int)];
        entry.CopyTo(content);
        BinaryPrimitives.WriteInt32BigEndian(content[EntryId.SizeBytes..], index);
        return BlobName.Read(NameOf("piece", content));
    }

    /// <summary>The nonce of an entry: hides its random bytes, and is another one for anything else sealed.</summary>
    public byte[] EntryNonceOf(
        ReadOnlySpan<byte> random, ReadOnlySpan<byte> authenticated, ReadOnlySpan<byte> content) =>
        NonceOf(_entryNonceKey, random, authenticated, content);

    /// <summary>The nonce of a blob, from its name and content alone.</summary>
    public byte[] BlobNonceOf(ReadOnlySpan<byte> authenticated, ReadOnlySpan<byte> content) =>
        NonceOf(_blobNonceKey, [], authenticated, content);

    /// <summary>Encrypts an entry; the tag follows the encrypted bytes.</summary>
    public void EncryptEntry(
        ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> authenticated, ReadOnlySpan<byte> content,
        Span<byte> destination) =>
        Encrypt(_entryKey, nonce, authenticated, content, destination);

    /// <summary>Encrypts a blob; the tag follows the encrypted bytes.</summary>
    public void EncryptBlob(
        ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> authenticated, ReadOnlySpan<byte> content,
        Span<byte> destination) =>
        Encrypt(_blobKey, nonce, authenticated, content, destination);

    /// <summary>Decrypts an entry.</summary>
    /// <returns>Null when it is not one that was sealed with these keys and this context.</returns>
    public byte[]? TryDecryptEntry(
        ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> authenticated, ReadOnlySpan<byte> encrypted) =>
        TryDecrypt(_entryKey, nonce, authenticated, encrypted);

    /// <summary>Decrypts a blob.</summary>
    /// <returns>Null when it is not one that was sealed with these keys and this name.</returns>
    public byte[]? TryDecryptBlob(
        ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> authenticated, ReadOnlySpan<byte> encrypted) =>
        TryDecrypt(_blobKey, nonce, authenticated, encrypted);

    private static byte[] Derive(ReadOnlySpan<byte> secret, string purpose, uint epoch, string ledger)
    {
        var info = new ByteWriter();
        info.WriteBytes(Encoding.ASCII.GetBytes(Context + purpose));
        info.WriteByte(0);
        BinaryPrimitives.WriteUInt32BigEndian(info.Reserve(sizeof(uint)), epoch);
        info.WriteBytes(Encoding.UTF8.GetBytes(ledger));
        var key = new byte[KeySizeBytes];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, key, [], info.WrittenSpan);
        return key;
    }

    private static byte[] NonceOf(
        byte[] key, ReadOnlySpan<byte> random, ReadOnlySpan<byte> authenticated, ReadOnlySpan<byte> content)
    {
        using var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);
        Span<byte> length = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32BigEndian(length, (uint)authenticated.Length);
        hmac.AppendData(random);
        hmac.AppendData(length);
        hmac.AppendData(authenticated);
        hmac.AppendData(content);
        return hmac.GetHashAndReset()[..NonceSizeBytes];
    }

    private static void Encrypt(
        byte[] key, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> authenticated, ReadOnlySpan<byte> content,
        Span<byte> destination)
    {
        Span<byte> message = stackalloc byte[KeySizeBytes + GcmNonceSizeBytes];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, key, message, nonce, "ledger 2026-11-21 message"u8);
        using var aes = new AesGcm(message[..KeySizeBytes], TagSizeBytes);
        aes.Encrypt(
            message[KeySizeBytes..], content, destination[..content.Length], destination[content.Length..],
            authenticated);
        CryptographicOperations.ZeroMemory(message);
    }

    private static byte[]? TryDecrypt(
        byte[] key, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> authenticated, ReadOnlySpan<byte> encrypted)
    {
        if (encrypted.Length < TagSizeBytes)
        {
            return null;
        }

        Span<byte> message = stackalloc byte[KeySizeBytes + GcmNonceSizeBytes];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, key, message, nonce, "ledger 2026-11-21 message"u8);
        using var aes = new AesGcm(message[..KeySizeBytes], TagSizeBytes);
        var content = new byte[encrypted.Length - TagSizeBytes];
        try
        {
            aes.Decrypt(
                message[KeySizeBytes..], encrypted[..content.Length], encrypted[content.Length..], content,
                authenticated);
            return content;
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(message);
        }
    }

    private byte[] NameOf(string purpose, params ReadOnlySpan<byte> content)
    {
        var message = new ByteWriter();
        message.WriteSized(Encoding.ASCII.GetBytes(purpose));
        message.WriteSized(content);
        return HMACSHA256.HashData(_nameKey, message.WrittenSpan);
    }
}
