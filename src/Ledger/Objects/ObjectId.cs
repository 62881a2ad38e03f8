using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;

namespace Ledger.Objects;

/// <summary>
/// Name of an immutable object: an algorithm byte and the 256-bit hash of its kind and plaintext bytes.
/// </summary>
/// <remarks>
/// The only algorithm is 1, BLAKE3 in derive-key mode with one context for each kind (docs/formats/objects.md). Order
/// is by algorithm, then by the hash as unsigned bytes.
/// </remarks>
public readonly record struct ObjectId : IComparable<ObjectId>
{
    /// <summary>Length of the hash, without the algorithm byte.</summary>
    public const int HashSizeBytes = 32;

    /// <summary>Length with the algorithm byte.</summary>
    public const int SizeBytes = 1 + HashSizeBytes;

    /// <summary>BLAKE3, 256 bits, derive-key mode.</summary>
    public const byte Blake3Algorithm = 1;

    private readonly UInt128 _high;
    private readonly UInt128 _low;

    private ObjectId(UInt128 high, UInt128 low)
    {
        _high = high;
        _low = low;
        Algorithm = Blake3Algorithm;
    }

    /// <summary>1 for BLAKE3; 0 only in the default value, which names nothing.</summary>
    public byte Algorithm { get; }

    /// <summary>True for the default value, which names nothing.</summary>
    public bool IsNone => Algorithm == 0;

    /// <summary>The lowest 32 bits of the hash (its last four bytes, big-endian).</summary>
    internal uint LowBits => (uint)_low;

    /// <summary>Makes an id of a BLAKE3 hash.</summary>
    /// <param name="hash">Exactly 32 bytes.</param>
    public static ObjectId FromHash(ReadOnlySpan<byte> hash)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(hash.Length, HashSizeBytes);
        return new ObjectId(
            BinaryPrimitives.ReadUInt128BigEndian(hash), BinaryPrimitives.ReadUInt128BigEndian(hash[16..]));
    }

    /// <summary>The id of an object with this kind and these plaintext bytes.</summary>
    internal static ObjectId Of(ObjectKind kind, ReadOnlySpan<byte> content)
    {
        Span<byte> hash = stackalloc byte[HashSizeBytes];
        Blake3.HashWithKey(KindContexts.KeyOf(kind), content, hash);
        return FromHash(hash);
    }

    /// <summary>The ids of many objects of one kind, computed together: for short ones much faster.</summary>
    /// <param name="kind">What all of them are.</param>
    /// <param name="contents">Plaintext bytes of each.</param>
    /// <param name="ids">Receives the id of each, in their order.</param>
    internal static void OfMany(
        ObjectKind kind, ReadOnlySpan<ReadOnlyMemory<byte>> contents, Span<ObjectId> ids)
    {
        const int GroupMax = 64;
        Span<byte> hashes = stackalloc byte[GroupMax * HashSizeBytes];
        for (var start = 0; start < contents.Length; start += GroupMax)
        {
            var group = contents.Slice(start, Math.Min(GroupMax, contents.Length - start));
            Blake3Batch.HashWithKey(KindContexts.KeyOf(kind), group, hashes);
            for (var i = 0; i < group.Length; i++)
            {
                ids[start + i] = FromHash(hashes.Slice(i * HashSizeBytes, HashSizeBytes));
            }
        }
    }

    /// <summary>Writes the 32 bytes of the hash.</summary>
    public void CopyHashTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt128BigEndian(destination, _high);
        BinaryPrimitives.WriteUInt128BigEndian(destination[16..], _low);
    }

    /// <summary>Reads 64 hexadecimal digits, upper or lower case.</summary>
    /// <returns>False when <paramref name="text"/> is anything else.</returns>
    public static bool TryParse([NotNullWhen(true)] string? text, out ObjectId id)
    {
        id = default;
        Span<byte> hash = stackalloc byte[HashSizeBytes];
        if (text is null || text.Length != 2 * HashSizeBytes ||
            Convert.FromHexString(text, hash, out _, out _) != System.Buffers.OperationStatus.Done)
        {
            return false;
        }

        id = FromHash(hash);
        return true;
    }

    /// <inheritdoc/>
    public int CompareTo(ObjectId other)
    {
        var order = Algorithm.CompareTo(other.Algorithm);
        order = order != 0 ? order : _high.CompareTo(other._high);
        return order != 0 ? order : _low.CompareTo(other._low);
    }

    /// <inheritdoc/>
    public bool Equals(ObjectId other) => _high == other._high && _low == other._low && Algorithm == other.Algorithm;

    /// <inheritdoc/>
    public override int GetHashCode() => (int)(uint)_low; // The bits of a hash are spread already.

    /// <summary>64 lower-case hexadecimal digits.</summary>
    public override string ToString()
    {
        Span<byte> hash = stackalloc byte[HashSizeBytes];
        CopyHashTo(hash);
        return Convert.ToHexStringLower(hash);
    }

    /// <summary>Earlier in the order of ids.</summary>
    public static bool operator <(ObjectId left, ObjectId right) => left.CompareTo(right) < 0;

    /// <summary>Later in the order of ids.</summary>
    public static bool operator >(ObjectId left, ObjectId right) => left.CompareTo(right) > 0;

    /// <summary>Not later in the order of ids.</summary>
    public static bool operator <=(ObjectId left, ObjectId right) => left.CompareTo(right) <= 0;

    /// <summary>Not earlier in the order of ids.</summary>
    public static bool operator >=(ObjectId left, ObjectId right) => left.CompareTo(right) >= 0;
}
