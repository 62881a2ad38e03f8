using System.Buffers.Binary;
using System.Globalization;

namespace Ledger.Commits;

/// <summary>Random name of a device: 16 bytes.</summary>
/// <param name="Value">The bytes as a big-endian number.</param>
internal readonly record struct DeviceId(UInt128 Value)
{
    /// <summary>Length in bytes.</summary>
    public const int SizeBytes = 16;

    /// <summary>Reads 16 bytes.</summary>
    public static DeviceId Read(ReadOnlySpan<byte> bytes) => new(BinaryPrimitives.ReadUInt128BigEndian(bytes));

    /// <summary>Writes 16 bytes.</summary>
    public void CopyTo(Span<byte> destination) => BinaryPrimitives.WriteUInt128BigEndian(destination, Value);

    /// <summary>32 lower-case hexadecimal digits.</summary>
    public override string ToString() => Value.ToString("x32", CultureInfo.InvariantCulture);
}
