namespace Ledger.Tests.Trees;

/// <summary>SipHash-2-4, written from its paper (Aumasson and Bernstein, 2012), one word at a time.</summary>
internal static class NaiveSipHash
{
    public static ulong Hash(ulong k0, ulong k1, byte[] message)
    {
        ulong[] v =
        [
            k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573,
        ];
        for (var word = 0; word <= message.Length / 8; word++)
        {
            ulong m = 0;
            for (var index = 0; index < 8; index++)
            {
                var position = word * 8 + index;
                var value = position < message.Length ? message[position]
                    : index == 7 ? (byte)(message.Length % 256) : (byte)0;
                m += (ulong)value << (8 * index);
            }

            v[3] ^= m;
            Rounds(v, 2);
            v[0] ^= m;
        }

        v[2] ^= 0xff;
        Rounds(v, 4);
        return v[0] ^ v[1] ^ v[2] ^ v[3];
    }

    private static void Rounds(ulong[] v, int count)
    {
        for (var round = 0; round < count; round++)
        {
            v[0] += v[1];
            v[2] += v[3];
            v[1] = Rotate(v[1], 13) ^ v[0];
            v[3] = Rotate(v[3], 16) ^ v[2];
            v[0] = Rotate(v[0], 32);
            v[2] += v[1];
            v[0] += v[3];
            v[1] = Rotate(v[1], 17) ^ v[2];
            v[3] = Rotate(v[3], 21) ^ v[0];
            v[2] = Rotate(v[2], 32);
        }
    }

    private static ulong Rotate(ulong word, int bits) => (word << bits) | (word >> (64 - bits));
}
