using Ledger.Runtime;

namespace Ledger.Objects.Segments;

/// <summary>A segment as the manifest lists it.</summary>
/// <param name="Number">Its number, which names its file.</param>
/// <param name="BasePosition">Log position of its first record.</param>
/// <param name="EndPosition">Where it was cut or closed; <see cref="long.MaxValue"/> for the last one, which is
/// open.</param>
/// <param name="LiveBytes">Estimate of the bytes in it that something still refers to.</param>
internal readonly record struct SegmentEntry(uint Number, long BasePosition, long EndPosition, long LiveBytes);

/// <summary>A run as the manifest lists it.</summary>
/// <param name="Number">Its number, which names its file.</param>
/// <param name="SizeBytes">Length of its file.</param>
internal readonly record struct RunEntry(uint Number, long SizeBytes);

/// <summary>A place in the log between two records.</summary>
/// <param name="Position">Log position of the next record.</param>
/// <param name="Checksum">Checksum of the record before it; 0 at the beginning of the log.</param>
internal readonly record struct LogMark(long Position, uint Checksum);

/// <summary>What a store consists of; the file that is replaced by an atomic rename (docs/formats/log.md).</summary>
internal sealed record Manifest
{
    private const int EntriesMax = 1 << 20;

    /// <summary>So many entries never take more.</summary>
    private const long SizeBytesMax = 128L << 20;

    /// <summary>The store; random, given when it was made.</summary>
    public required Guid StoreId { get; init; }

    /// <summary>
    /// Segments, ascending by base position. Those made after this manifest was written are found by number.
    /// </summary>
    public required IReadOnlyList<SegmentEntry> Segments { get; init; }

    /// <summary>Runs, newest first.</summary>
    public required IReadOnlyList<RunEntry> Runs { get; init; }

    /// <summary>Everything before it is in the runs; the log from here on is read at opening.</summary>
    public required LogMark Recovery { get; init; }

    /// <summary>
    /// The end of the log at the last clean close: the log is at least this long. Null before the first.
    /// </summary>
    public required LogMark? CleanClose { get; init; }

    private static ReadOnlySpan<byte> Magic => "LDGRMAN\n"u8;

    /// <summary>The manifest of a new store, which is empty.</summary>
    public static Manifest Create(IRandomness random)
    {
        Span<byte> id = stackalloc byte[16];
        random.Fill(id);
        return new Manifest
        {
            StoreId = new Guid(id, bigEndian: true),
            Segments = [],
            Runs = [],
            Recovery = default,
            CleanClose = null,
        };
    }

    /// <summary>Encodes the manifest.</summary>
    public byte[] Encode()
    {
        var writer = new ByteWriter();
        writer.WriteBytes(Magic);
        writer.WriteUInt16(LogFormat.Version);
        StoreId.TryWriteBytes(writer.Reserve(16), bigEndian: true, out _);
        writer.WriteVarint((ulong)Segments.Count);
        foreach (var segment in Segments)
        {
            writer.WriteVarint(segment.Number);
            writer.WriteVarint((ulong)segment.BasePosition);
            writer.WriteVarint((ulong)segment.EndPosition);
            writer.WriteVarint((ulong)segment.LiveBytes);
        }

        writer.WriteVarint((ulong)Runs.Count);
        foreach (var run in Runs)
        {
            writer.WriteVarint(run.Number);
            writer.WriteVarint((ulong)run.SizeBytes);
        }

        WriteMark(writer, Recovery);
        writer.WriteByte(CleanClose is null ? (byte)0 : (byte)1);
        if (CleanClose is { } clean)
        {
            WriteMark(writer, clean);
        }

        writer.WriteUInt32(Crc32C.Of(writer.WrittenSpan));
        return writer.ToArray();
    }

    /// <summary>Decodes a manifest.</summary>
    /// <exception cref="CorruptObjectException">The bytes are not one.</exception>
    /// <exception cref="FormatTooNewException">It is one of a newer version.</exception>
    public static Manifest Decode(ReadOnlySpan<byte> bytes)
    {
        var reader = new ByteReader(bytes, "The manifest of a store");
        if (!reader.ReadBytes(Magic.Length).SequenceEqual(Magic))
        {
            throw reader.Corrupt("it does not begin as a manifest does");
        }

        var version = reader.ReadUInt16();
        if (version > LogFormat.Version)
        {
            throw new FormatTooNewException("The manifest of a store", version, LogFormat.Version);
        }

        if (version == 0 || bytes.Length < Magic.Length + 6 ||
            System.Buffers.Binary.BinaryPrimitives.ReadUInt32LittleEndian(bytes[^4..]) != Crc32C.Of(bytes[..^4]))
        {
            throw reader.Corrupt("its checksum does not match");
        }

        var storeId = new Guid(reader.ReadBytes(16), bigEndian: true);
        var segments = ReadSegments(ref reader);
        var runs = new List<RunEntry>();
        for (var left = ReadCount(ref reader, "the number of runs"); left > 0; left--)
        {
            runs.Add(new RunEntry(
                (uint)reader.ReadVarint(1, uint.MaxValue, "the number of a run"),
                reader.ReadVarint(1, long.MaxValue, "the length of a run")));
        }

        var recovery = ReadMark(ref reader);
        var clean = reader.ReadByte() switch
        {
            0 => (LogMark?)null,
            1 => ReadMark(ref reader),
            var other => throw reader.Corrupt($"the clean-close flag is {other}"),
        };
        reader.ReadUInt32();
        reader.ExpectEnd();
        return new Manifest
        {
            StoreId = storeId,
            Segments = segments,
            Runs = runs,
            Recovery = recovery,
            CleanClose = clean,
        };
    }

    /// <summary>Reads the manifest of a directory, or null when there is none.</summary>
    public static Manifest? Read(IFileSystem files, string directory)
    {
        var path = Path.Combine(directory, LogFormat.ManifestName);
        if (!files.FileExists(path))
        {
            return null;
        }

        using var file = files.Open(path, FileOpening.ReadOnly);
        var length = file.Length;
        if (length > SizeBytesMax)
        {
            throw new CorruptObjectException($"the manifest in '{directory}' has {length} bytes");
        }

        var bytes = new byte[length];
        var size = file.ReadFully(0, bytes);
        return Decode(bytes.AsSpan(0, size));
    }

    /// <summary>Replaces the manifest of a directory: write, flush, rename, flush the directory.</summary>
    public void Write(IFileSystem files, string directory, PlantedBugs bugs)
    {
        WriteNew(files, directory, bugs);
        InstallNew(files, directory, bugs);
    }

    /// <summary>The first half of <see cref="Write"/>: when it throws, the manifest is the old one for sure.</summary>
    public void WriteNew(IFileSystem files, string directory, PlantedBugs bugs)
    {
        var path = Path.Combine(directory, LogFormat.NewManifestName);
        if (files.FileExists(path))
        {
            files.Delete(path);
        }

        using (var file = files.Open(path, FileOpening.CreateNew))
        {
            file.Write(0, Encode());
            if (!bugs.HasFlag(PlantedBugs.SkipManifestFlush))
            {
                file.Flush();
            }
        }
    }

    /// <summary>
    /// The second half of <see cref="Write"/>: when it throws, the manifest on the disk is the old or the new one.
    /// </summary>
    public static void InstallNew(IFileSystem files, string directory, PlantedBugs bugs)
    {
        files.Rename(
            Path.Combine(directory, LogFormat.NewManifestName), Path.Combine(directory, LogFormat.ManifestName));
        if (!bugs.HasFlag(PlantedBugs.SkipDirectoryFlush))
        {
            files.FlushDirectory(directory);
        }
    }

    private static List<SegmentEntry> ReadSegments(ref ByteReader reader)
    {
        var segments = new List<SegmentEntry>();
        var end = 0L;
        for (var left = ReadCount(ref reader, "the number of segments"); left > 0; left--)
        {
            var number = (uint)reader.ReadVarint(1, uint.MaxValue, "the number of a segment");
            var from = reader.ReadVarint(end, long.MaxValue - 1, "the base position of a segment");
            end = reader.ReadVarint(from, long.MaxValue, "the end position of a segment");
            if ((end == long.MaxValue) != (left == 1))
            {
                throw reader.Corrupt("a segment other than the last is open, or the last is not");
            }

            segments.Add(new SegmentEntry(
                number, from, end, reader.ReadVarint(0, long.MaxValue, "the live bytes of a segment")));
        }

        return segments;
    }

    private static long ReadCount(ref ByteReader reader, string field)
    {
        var count = reader.ReadVarint(0, EntriesMax, field);
        return count <= reader.Remaining / 2 ? count : throw reader.Corrupt($"{field} is {count}, more than fit");
    }

    private static LogMark ReadMark(ref ByteReader reader) =>
        new(reader.ReadVarint(0, long.MaxValue, "a log position"), reader.ReadUInt32());

    private static void WriteMark(ByteWriter writer, LogMark mark)
    {
        writer.WriteVarint((ulong)mark.Position);
        writer.WriteUInt32(mark.Checksum);
    }
}
