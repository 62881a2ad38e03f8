using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Ledger.Objects;

/// <summary>The compression of BLAKE3 for sixteen inputs at once, one in each lane of 512-bit vectors.</summary>
/// <remarks>Only where the processor has AVX-512; <see cref="Blake3Lanes"/> asks before it calls.</remarks>
internal static class Blake3Vectors512
{
    /// <summary>Inputs hashed at once.</summary>
    public const int Lanes = 16;

    private const int Words = 2 * Blake3.HashWords;

    // What ShuffleLanes takes: the even, or the odd quarters of both operands.
    private const byte EvenQuarters = 0x88;
    private const byte OddQuarters = 0xDD;

    /// <summary>Whether the processor can, and is not slowed down by it.</summary>
    public static bool IsSupported =>
        Vector512.IsHardwareAccelerated && Avx512F.IsSupported && BitConverter.IsLittleEndian;

    /// <inheritdoc cref="Blake3Vectors256.Compress" path="/*"/>
    [SkipLocalsInit]
    public static void Compress(in Blake3LaneView lanes, ReadOnlySpan<byte> source, int blocks)
    {
        Span<Vector512<uint>> words = stackalloc Vector512<uint>[Words];
        ref var m = ref MemoryMarshal.GetReference(words);
        ref var h = ref Unsafe.As<uint, Vector512<uint>>(ref MemoryMarshal.GetReference(lanes.State));
        var counters = Vector512.LoadUnsafe(ref MemoryMarshal.GetReference(lanes.Counters));
        var lengths = Vector512.LoadUnsafe(ref MemoryMarshal.GetReference(lanes.Lengths));
        var flags = Vector512.LoadUnsafe(ref MemoryMarshal.GetReference(lanes.Flags));
        for (var block = 0; block < blocks; block++)
        {
            Load(
                ref Unsafe.Add(ref MemoryMarshal.GetReference(source), block * Blake3.BlockSizeBytes),
                ref MemoryMarshal.GetReference(lanes.Offsets), ref m);
            CompressBlock(ref h, ref Unsafe.As<Vector512<uint>, byte>(ref m), counters, lengths, flags);
        }
    }

    /// <summary>Gathers the words of a block of every input: vector i gets word i of each.</summary>
    [SkipLocalsInit]
    private static void Load(ref byte source, ref int offsets, ref Vector512<uint> words)
    {
        Span<Vector512<uint>> quarters = stackalloc Vector512<uint>[Words];
        ref var q = ref MemoryMarshal.GetReference(quarters);
        for (var group = 0; group < 4; group++)
        {
            var r0 = Row(ref source, ref offsets, (4 * group) + 0);
            var r1 = Row(ref source, ref offsets, (4 * group) + 1);
            var r2 = Row(ref source, ref offsets, (4 * group) + 2);
            var r3 = Row(ref source, ref offsets, (4 * group) + 3);
            var t0 = Avx512F.UnpackLow(r0, r1).AsUInt64();
            var t1 = Avx512F.UnpackHigh(r0, r1).AsUInt64();
            var t2 = Avx512F.UnpackLow(r2, r3).AsUInt64();
            var t3 = Avx512F.UnpackHigh(r2, r3).AsUInt64();
            Unsafe.Add(ref q, group) = Avx512F.UnpackLow(t0, t2).AsUInt32();
            Unsafe.Add(ref q, 4 + group) = Avx512F.UnpackHigh(t0, t2).AsUInt32();
            Unsafe.Add(ref q, 8 + group) = Avx512F.UnpackLow(t1, t3).AsUInt32();
            Unsafe.Add(ref q, 12 + group) = Avx512F.UnpackHigh(t1, t3).AsUInt32();
        }

        for (var column = 0; column < 4; column++)
        {
            var (q0, q1) = (Unsafe.Add(ref q, 4 * column), Unsafe.Add(ref q, (4 * column) + 1));
            var (q2, q3) = (Unsafe.Add(ref q, (4 * column) + 2), Unsafe.Add(ref q, (4 * column) + 3));
            var even0 = Avx512F.Shuffle4x128(q0, q1, EvenQuarters);
            var even1 = Avx512F.Shuffle4x128(q2, q3, EvenQuarters);
            var odd0 = Avx512F.Shuffle4x128(q0, q1, OddQuarters);
            var odd1 = Avx512F.Shuffle4x128(q2, q3, OddQuarters);
            Unsafe.Add(ref words, column) = Avx512F.Shuffle4x128(even0, even1, EvenQuarters);
            Unsafe.Add(ref words, 4 + column) = Avx512F.Shuffle4x128(odd0, odd1, EvenQuarters);
            Unsafe.Add(ref words, 8 + column) = Avx512F.Shuffle4x128(even0, even1, OddQuarters);
            Unsafe.Add(ref words, 12 + column) = Avx512F.Shuffle4x128(odd0, odd1, OddQuarters);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Row(ref byte source, ref int offsets, int lane) =>
        Vector512.LoadUnsafe(ref source, (nuint)(uint)Unsafe.Add(ref offsets, lane)).AsUInt32();

    private static void CompressBlock(
        ref Vector512<uint> h, ref byte m, Vector512<uint> counters, Vector512<uint> lengths, Vector512<uint> flags)
    {
        ref var s = ref MemoryMarshal.GetReference(Blake3Vectors256.HalfOffsets);
        var (v0, v1, v2, v3) = (h, Unsafe.Add(ref h, 1), Unsafe.Add(ref h, 2), Unsafe.Add(ref h, 3));
        var (v4, v5) = (Unsafe.Add(ref h, 4), Unsafe.Add(ref h, 5));
        var (v6, v7) = (Unsafe.Add(ref h, 6), Unsafe.Add(ref h, 7));
        var (v8, v9) = (Vector512.Create(Blake3.Initial0), Vector512.Create(Blake3.Initial1));
        var (v10, v11) = (Vector512.Create(Blake3.Initial2), Vector512.Create(Blake3.Initial3));
        var (v12, v13, v14, v15) = (counters, Vector512<uint>.Zero, lengths, flags);
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

    // Half the offsets are those of vectors of 256 bits: here it takes four of them.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Word(ref byte words, ref byte halves, int place) =>
        Unsafe.As<byte, Vector512<uint>>(ref Unsafe.AddByteOffset(ref words, 4 * (nuint)Unsafe.Add(ref halves, place)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Mix(
        ref Vector512<uint> a, ref Vector512<uint> b, ref Vector512<uint> c, ref Vector512<uint> d,
        Vector512<uint> x, Vector512<uint> y)
    {
        a = a + b + x;
        d = Avx512F.RotateRight(d ^ a, 16);
        c += d;
        b = Avx512F.RotateRight(b ^ c, 12);
        a = a + b + y;
        d = Avx512F.RotateRight(d ^ a, 8);
        c += d;
        b = Avx512F.RotateRight(b ^ c, 7);
    }
}
