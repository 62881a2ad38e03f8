using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Ledger.Objects;

/// <summary>The compression of BLAKE3 for eight inputs at once, one in each lane of 256-bit vectors.</summary>
/// <remarks>Only where the processor has AVX2; <see cref="Blake3Lanes"/> asks before it calls.</remarks>
internal static class Blake3Vectors256
{
    /// <summary>Inputs hashed at once.</summary>
    public const int Lanes = 8;

    private const int VectorSizeBytes = 32;

    /// <summary>Whether the processor can.</summary>
    public static bool IsSupported => Avx2.IsSupported && BitConverter.IsLittleEndian;

    /// <summary>Half the offsets, in an array of vectors, of the message words of each round.</summary>
    /// <remarks>
    /// Half, because bytes hold them and the processor doubles for nothing; a table of wider numbers allocates in
    /// unoptimised builds.
    /// </remarks>
    internal static ReadOnlySpan<byte> HalfOffsets =>
    [
        0, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240,
        32, 96, 48, 160, 112, 0, 64, 208, 16, 176, 192, 80, 144, 224, 240, 128,
        48, 64, 160, 192, 208, 32, 112, 224, 96, 80, 144, 0, 176, 240, 128, 16,
        160, 112, 192, 144, 224, 48, 208, 240, 64, 0, 176, 32, 80, 128, 16, 96,
        192, 208, 144, 176, 240, 160, 224, 128, 112, 32, 80, 48, 0, 16, 96, 64,
        144, 224, 176, 80, 128, 192, 240, 16, 208, 48, 0, 160, 32, 96, 64, 112,
        176, 240, 80, 0, 16, 144, 128, 96, 224, 160, 32, 192, 48, 64, 112, 208,
    ];

    /// <summary>Compresses blocks of every lane into its chaining value.</summary>
    /// <param name="lanes">
    /// For each lane its chaining value, and of its next block the offset in <paramref name="source"/>, and counter,
    /// length and flags, which hold for all blocks of this call.
    /// </param>
    /// <param name="source">Holds as many blocks from each offset on; the caller has checked it.</param>
    /// <param name="blocks">Blocks of each lane, one after the other.</param>
    [SkipLocalsInit]
    public static void Compress(in Blake3LaneView lanes, ReadOnlySpan<byte> source, int blocks)
    {
        Span<Vector256<uint>> words = stackalloc Vector256<uint>[2 * Blake3.HashWords];
        ref var m = ref MemoryMarshal.GetReference(words);
        ref var h = ref Unsafe.As<uint, Vector256<uint>>(ref MemoryMarshal.GetReference(lanes.State));
        var counters = Vector256.LoadUnsafe(ref MemoryMarshal.GetReference(lanes.Counters));
        var lengths = Vector256.LoadUnsafe(ref MemoryMarshal.GetReference(lanes.Lengths));
        var flags = Vector256.LoadUnsafe(ref MemoryMarshal.GetReference(lanes.Flags));
        for (var block = 0; block < blocks; block++)
        {
            ref var place = ref Unsafe.Add(ref MemoryMarshal.GetReference(source), block * Blake3.BlockSizeBytes);
            Load(ref place, lanes.Offsets, words[..Lanes]);
            Load(ref Unsafe.Add(ref place, VectorSizeBytes), lanes.Offsets, words[Lanes..]);
            CompressBlock(ref h, ref Unsafe.As<Vector256<uint>, byte>(ref m), counters, lengths, flags);
        }
    }

    /// <summary>Gathers eight words of every input: vector i gets word i of each.</summary>
    private static void Load(ref byte source, ReadOnlySpan<int> offsets, Span<Vector256<uint>> words)
    {
        for (var lane = 0; lane < Lanes; lane++)
        {
            words[lane] = Vector256.LoadUnsafe(ref source, (nuint)(uint)offsets[lane]).AsUInt32();
        }

        Transpose(words);
    }

    private static void Transpose(Span<Vector256<uint>> rows)
    {
        var (a0, a1) = Interleave(rows[0], rows[1]);
        var (a2, a3) = Interleave(rows[2], rows[3]);
        var (a4, a5) = Interleave(rows[4], rows[5]);
        var (a6, a7) = Interleave(rows[6], rows[7]);
        var (b0, b1) = InterleavePairs(a0, a2);
        var (b2, b3) = InterleavePairs(a1, a3);
        var (b4, b5) = InterleavePairs(a4, a6);
        var (b6, b7) = InterleavePairs(a5, a7);
        (rows[0], rows[4]) = JoinHalves(b0, b4);
        (rows[1], rows[5]) = JoinHalves(b1, b5);
        (rows[2], rows[6]) = JoinHalves(b2, b6);
        (rows[3], rows[7]) = JoinHalves(b3, b7);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<uint> Low, Vector256<uint> High) Interleave(Vector256<uint> x, Vector256<uint> y) =>
        (Avx2.UnpackLow(x, y), Avx2.UnpackHigh(x, y));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<uint> Low, Vector256<uint> High) InterleavePairs(Vector256<uint> x, Vector256<uint> y)
    {
        var (pairsX, pairsY) = (x.AsUInt64(), y.AsUInt64());
        return (Avx2.UnpackLow(pairsX, pairsY).AsUInt32(), Avx2.UnpackHigh(pairsX, pairsY).AsUInt32());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<uint> Low, Vector256<uint> High) JoinHalves(Vector256<uint> x, Vector256<uint> y) =>
        (Avx2.Permute2x128(x, y, 0x20), Avx2.Permute2x128(x, y, 0x31));

    private static void CompressBlock(
        ref Vector256<uint> h, ref byte m, Vector256<uint> counters, Vector256<uint> lengths, Vector256<uint> flags)
    {
        ref var s = ref MemoryMarshal.GetReference(HalfOffsets);
        var (v0, v1, v2, v3) = (h, Unsafe.Add(ref h, 1), Unsafe.Add(ref h, 2), Unsafe.Add(ref h, 3));
        var (v4, v5) = (Unsafe.Add(ref h, 4), Unsafe.Add(ref h, 5));
        var (v6, v7) = (Unsafe.Add(ref h, 6), Unsafe.Add(ref h, 7));
        var (v8, v9) = (Vector256.Create(Blake3.Initial0), Vector256.Create(Blake3.Initial1));
        var (v10, v11) = (Vector256.Create(Blake3.Initial2), Vector256.Create(Blake3.Initial3));
        var (v12, v13, v14, v15) = (counters, Vector256<uint>.Zero, lengths, flags);
        for (var round = 0; round < 7; round++)
        {
            Mix(ref v0, ref v4, ref v8, ref v12, Word(ref m, ref s, 0), Word(ref m, ref s, 1));
            Mix(ref v1, ref v5, ref v9, ref v13, Word(ref m, ref s, 2), Word(ref m, ref s, 3));
            Mix(ref v2, ref v6, ref v10, ref v14, Word(ref m, ref s, 4), Word(ref m, ref s, 5));
            Mix(ref v3, ref v7, ref v11, ref v15, Word(ref m, ref s, 6), Word(ref m, ref s, 7));
            Mix(ref v0, ref v5, ref v10, ref v15, Word(ref m, ref s, 8), Word(ref m, ref s, 9));
            Mix(ref v1, ref v6, ref v11, ref v12, Word(ref m, ref s, 10), Word(ref m, ref s, 11));
            Mix(ref v2, ref v7, ref v8, ref v13, Word(ref m, ref s, 12), Word(ref m, ref s, 13));
            Mix(ref v3, ref v4, ref v9, ref v14, Word(ref m, ref s, 14), Word(ref m, ref s, 15));
            s = ref Unsafe.Add(ref s, 16);
        }

        h = v0 ^ v8;
        Unsafe.Add(ref h, 1) = v1 ^ v9;
        Unsafe.Add(ref h, 2) = v2 ^ v10;
        Unsafe.Add(ref h, 3) = v3 ^ v11;
        Unsafe.Add(ref h, 4) = v4 ^ v12;
        Unsafe.Add(ref h, 5) = v5 ^ v13;
        Unsafe.Add(ref h, 6) = v6 ^ v14;
        Unsafe.Add(ref h, 7) = v7 ^ v15;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Word(ref byte words, ref byte halves, int place) =>
        Unsafe.As<byte, Vector256<uint>>(ref Unsafe.AddByteOffset(ref words, 2 * (nuint)Unsafe.Add(ref halves, place)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Mix(
        ref Vector256<uint> a, ref Vector256<uint> b, ref Vector256<uint> c, ref Vector256<uint> d,
        Vector256<uint> x, Vector256<uint> y)
    {
        a = a + b + x;
        d = RotateRight16(d ^ a);
        c += d;
        b = RotateRight(b ^ c, 12);
        a = a + b + y;
        d = RotateRight8(d ^ a);
        c += d;
        b = RotateRight(b ^ c, 7);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> RotateRight(Vector256<uint> value, [ConstantExpected] byte count) =>
        Avx512F.VL.IsSupported
            ? Avx512F.VL.RotateRight(value, count)
            : (value >>> count) | (value << (32 - count));

    // Whole bytes move, so without a rotation one shuffle does what two shifts and an or would.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> RotateRight16(Vector256<uint> value) =>
        Avx512F.VL.IsSupported ? Avx512F.VL.RotateRight(value, 16) : ShuffleBytes(value, 0x0504_0706_0100_0302);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> RotateRight8(Vector256<uint> value) =>
        Avx512F.VL.IsSupported ? Avx512F.VL.RotateRight(value, 8) : ShuffleBytes(value, 0x0407_0605_0003_0201);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> ShuffleBytes(Vector256<uint> value, ulong places) =>
        Avx2.Shuffle(
            value.AsByte(),
            Vector256.Create(
                places, places + 0x0808_0808_0808_0808, places, places + 0x0808_0808_0808_0808).AsByte()).AsUInt32();
}
