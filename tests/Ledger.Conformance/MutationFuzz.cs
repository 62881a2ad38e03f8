using System.Buffers.Binary;
using Ledger.Objects;
using Xunit;

namespace Ledger.Conformance;

/// <summary>
/// Feeds mutated encodings to a decoder, which must accept them or say that they are damaged or too new.
/// </summary>
/// <remarks>
/// Verifies: no exception but <see cref="CorruptObjectException"/> and <see cref="FormatTooNewException"/>; allocation
/// bounded by the input; what is accepted encodes to the same bytes. Does not verify that what is accepted means
/// anything. Each input depends on the seed and its number only, so a failure is repeated from its message.
/// </remarks>
public static class MutationFuzz
{
    private static readonly byte[] TellingBytes = [0, 1, 2, 0x7F, 0x80, 0x81, 0xFE, 0xFF];

    /// <summary>Decodes <paramref name="count"/> mutated inputs.</summary>
    /// <param name="name">What is decoded, for the message of a failure.</param>
    /// <param name="seeds">Valid encodings, at least one; each must be accepted as it is.</param>
    /// <param name="decode">Decodes completely, nested parts included; throws what it rejects.</param>
    /// <param name="count">Inputs to make.</param>
    /// <param name="seed">Decides the inputs.</param>
    /// <param name="reencode">Decodes an accepted input and encodes it again; null to leave this check out.</param>
    /// <returns>How many inputs were accepted and how many rejected.</returns>
    public static MutationFuzzResult Run(
        string name, IReadOnlyList<byte[]> seeds, Action<ReadOnlyMemory<byte>> decode, int count, int seed,
        Func<ReadOnlyMemory<byte>, byte[]>? reencode = null)
    {
        foreach (var valid in seeds)
        {
            decode(valid);
            Assert.True(
                reencode is null || reencode(valid).AsSpan().SequenceEqual(valid),
                $"{name}: a valid encoding does not encode to itself: {Show(valid)}");
        }

        var accepted = 0;
        for (var number = 0; number < count; number++)
        {
            var random = new Random(unchecked((seed * 1_000_003) + number));
            var input = Mutate(seeds, random);
            string Where() => $"{name}, seed {seed}, input {number}: {Show(input)}";
            if (Decode(input, decode, Where))
            {
                accepted++;
                var encoded = reencode?.Invoke(input) ?? input;
                if (!encoded.AsSpan().SequenceEqual(input))
                {
                    Assert.Fail($"accepted, but encodes to {Show(encoded)}; {Where()}");
                }
            }
        }

        return new MutationFuzzResult(accepted, count - accepted);
    }

    /// <summary>Decodes one input and judges how that went.</summary>
    /// <returns>True when it was accepted.</returns>
    private static bool Decode(byte[] input, Action<ReadOnlyMemory<byte>> decode, Func<string> where)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var exception = Record.Exception(() => decode(input));
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        if (exception is not (null or CorruptObjectException or FormatTooNewException))
        {
            Assert.Fail($"{where()} threw {exception}");
        }

        var allocatedMax = (16L * input.Length) + (1024 * 1024);
        if (allocated > allocatedMax)
        {
            Assert.Fail($"{where()} allocated {allocated} bytes, more than {allocatedMax}");
        }

        return exception is null;
    }

    private static byte[] Mutate(IReadOnlyList<byte[]> seeds, Random random)
    {
        var content = new List<byte>(seeds[random.Next(seeds.Count)]);
        for (var rounds = random.Next(4) == 0 ? random.Next(2, 5) : 1; rounds > 0; rounds--)
        {
            MutateOnce(content, seeds, random);
        }

        return [.. content];
    }

    private static void MutateOnce(List<byte> content, IReadOnlyList<byte[]> seeds, Random random)
    {
        var at = random.Next(content.Count + 1);
        var length = Math.Min(random.Next(1, 1 + (1 << random.Next(7))), content.Count - at);
        switch (random.Next(10))
        {
            case 0 or 1 when at < content.Count:
                content[at] ^= (byte)(1 << random.Next(8));
                break;
            case 2 when at < content.Count:
                content[at] = (byte)random.Next(256);
                break;
            case 3 when at < content.Count:
                content[at] = TellingBytes[random.Next(TellingBytes.Length)];
                break;
            case 4:
                content.RemoveRange(at, content.Count - at);
                break;
            case 5:
                content.RemoveRange(at, length);
                break;
            case 6:
                content.InsertRange(at, content.GetRange(random.Next(content.Count - length + 1), length));
                break;
            case 7:
                Overwrite(content, at, MakeLength(random));
                break;
            case 8:
                var other = seeds[random.Next(seeds.Count)];
                content.RemoveRange(at, content.Count - at);
                content.AddRange(other[Math.Min(random.Next(other.Length + 1), Math.Max(0, other.Length - length))..]);
                break;
            default:
                var added = new byte[random.Next(1, 17)];
                random.NextBytes(added);
                content.InsertRange(at, added);
                break;
        }
    }

    /// <summary>A number that is too large wherever a length, a count or an offset is expected.</summary>
    private static byte[] MakeLength(Random random)
    {
        var bytes = new byte[10];
        switch (random.Next(5))
        {
            case 0:
                BinaryPrimitives.WriteUInt16LittleEndian(bytes, (ushort)(ushort.MaxValue >> random.Next(2)));
                return bytes[..2];
            case 1:
                BinaryPrimitives.WriteUInt32LittleEndian(bytes, uint.MaxValue >> random.Next(8));
                return bytes[..4];
            case 2:
                BinaryPrimitives.WriteUInt64LittleEndian(bytes, ulong.MaxValue >> random.Next(32));
                return bytes[..8];
            default:
                var size = random.Next(2, 11);
                bytes.AsSpan(0, size - 1).Fill(0xFF);
                bytes[size - 1] = (byte)(size == 10 ? 1 : random.Next(1, 0x80));
                return bytes[..size];
        }
    }

    private static void Overwrite(List<byte> content, int at, byte[] bytes)
    {
        content.RemoveRange(at, Math.Min(bytes.Length, content.Count - at));
        content.InsertRange(at, bytes);
    }

    private static string Show(byte[] input) =>
        $"{input.Length} bytes {Convert.ToHexStringLower(input.AsSpan(0, Math.Min(input.Length, 1024)))}";
}

/// <summary>What became of mutated inputs.</summary>
/// <param name="Accepted">Decoded without an error.</param>
/// <param name="Rejected">Reported as damaged or too new.</param>
public readonly record struct MutationFuzzResult(int Accepted, int Rejected);
