using System.Buffers.Binary;
using Google.Protobuf;

namespace Ledger.Rpc.Protocol;

/// <summary>Writes a message with what goes before it.</summary>
internal static class FrameWriter
{
    /// <summary>Bytes of the message and its prefix.</summary>
    public static int SizeOf(IMessage message) => FrameReader.PrefixBytes + message.CalculateSize();

    /// <summary>Writes both; never compressed.</summary>
    /// <param name="message">As it was when its size was asked.</param>
    /// <param name="target">Exactly that many bytes.</param>
    public static void Write(IMessage message, Span<byte> target)
    {
        target[0] = 0;
        BinaryPrimitives.WriteUInt32BigEndian(target[1..], (uint)(target.Length - FrameReader.PrefixBytes));
        message.WriteTo(target[FrameReader.PrefixBytes..]);
    }
}
