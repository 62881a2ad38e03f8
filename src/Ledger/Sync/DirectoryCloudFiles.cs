using Ledger.Objects;
using Ledger.Runtime;

namespace Ledger.Sync;

/// <summary>The files of a directory cloud: made whole or not at all. Blocks: call it offloaded.</summary>
/// <param name="runtime">Disk and randomness.</param>
/// <param name="path">The cloud's directory.</param>
internal sealed class DirectoryCloudFiles(LedgerRuntime runtime, string path)
{
    /// <summary>Length of the file <c>CLOUD</c>.</summary>
    public const int CloudFileSizeBytes = 32;

    private const string CloudFileName = "CLOUD";
    private const uint Version = 1;

    private readonly Lock _gate = new();
    private readonly HashSet<string> _durableDirectories = new(StringComparer.Ordinal);

    /// <summary>The cloud's directory.</summary>
    public string Path { get; } = path;

    /// <summary>Where files are written before they get their names.</summary>
    private string NewFilesPath => In("new");

    private static ReadOnlySpan<byte> Magic => "LDGRCLOU"u8;

    /// <summary>A path in the cloud.</summary>
    public string In(params ReadOnlySpan<string> names) => System.IO.Path.Combine([Path, .. names]);

    /// <summary>Runs work, and says what the disk refused as the cloud's own error.</summary>
    public T Guard<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (DiskFullException error)
        {
            throw new CloudUnavailableException(CloudProblem.Full, $"The cloud in '{Path}' has no room.", error);
        }
        catch (UnauthorizedAccessException error)
        {
            throw new CloudUnavailableException(
                CloudProblem.Denied, $"The cloud in '{Path}' refuses. {error.Message}", error);
        }
        catch (IOException error)
        {
            throw new CloudUnavailableException(
                CloudProblem.Unreachable, $"The cloud in '{Path}' cannot be reached. {error.Message}", error);
        }
    }

    /// <summary>Opens the cloud, or makes one.</summary>
    /// <exception cref="CloudUnavailableException">There is none, or its file cannot be understood.</exception>
    public bool Open(bool create)
    {
        if (!runtime.Files.FileExists(In(CloudFileName)))
        {
            if (!create)
            {
                throw NewMissing();
            }

            Create();
        }

        _ = ReadIncarnation();
        return true;
    }

    /// <summary>The incarnation that the file <c>CLOUD</c> says now.</summary>
    /// <exception cref="CloudUnavailableException">There is none, or it cannot be understood.</exception>
    public CloudIncarnation ReadIncarnation()
    {
        var content = ReadOrNull(In(CloudFileName), CloudFileSizeBytes) ?? throw NewMissing();
        try
        {
            return DecodeCloudFile(content);
        }
        catch (LedgerException error) when (error is CorruptObjectException or FormatTooNewException)
        {
            throw new CloudUnavailableException(
                CloudProblem.Unreadable, $"The cloud in '{Path}' cannot be understood. {error.Message}", error);
        }
    }

    /// <summary>The bytes of the file <c>CLOUD</c>.</summary>
    public static byte[] EncodeCloudFile(CloudIncarnation incarnation)
    {
        var writer = new ByteWriter(CloudFileSizeBytes);
        writer.WriteBytes(Magic);
        writer.WriteUInt32(Version);
        incarnation.CopyTo(writer.Reserve(CloudIncarnation.SizeBytes));
        writer.WriteUInt32(Crc32C.Of(writer.WrittenSpan));
        return writer.ToArray();
    }

    /// <summary>Reads the bytes of the file <c>CLOUD</c>.</summary>
    /// <exception cref="CorruptObjectException">They are damaged, or something else.</exception>
    /// <exception cref="FormatTooNewException">A newer version made them.</exception>
    public static CloudIncarnation DecodeCloudFile(ReadOnlySpan<byte> content)
    {
        var reader = new ByteReader(content, "the file CLOUD");
        if (!reader.ReadBytes(Magic.Length).SequenceEqual(Magic))
        {
            throw reader.Corrupt("it does not begin as one");
        }

        var version = reader.ReadUInt32();
        if (version > Version)
        {
            throw new FormatTooNewException("The cloud", version, Version);
        }

        var incarnation = CloudIncarnation.Read(reader.ReadBytes(CloudIncarnation.SizeBytes));
        var checksum = Crc32C.Of(content[..reader.Position]);
        if (version != Version || reader.ReadUInt32() != checksum)
        {
            throw reader.Corrupt("its version or its checksum is wrong");
        }

        reader.ExpectEnd();
        return incarnation;
    }

    /// <summary>Gives new content a name that is free.</summary>
    /// <returns>False when the name is taken. When it is true, content and name are on the disk.</returns>
    public bool TryCreate(string target, ReadOnlySpan<byte> content)
    {
        var source = WriteNew(content);
        if (!runtime.Files.TryRename(source, target))
        {
            runtime.Files.Delete(source);
            return false;
        }

        runtime.Files.FlushDirectory(ParentOf(target));
        return true;
    }

    /// <summary>Gives new content a name, whoever has it. Content and name are on the disk then.</summary>
    public void Replace(string target, ReadOnlySpan<byte> content)
    {
        runtime.Files.Rename(WriteNew(content), target);
        runtime.Files.FlushDirectory(ParentOf(target));
    }

    /// <summary>Gives new content a name without waiting for the disk: for what may be lost.</summary>
    public void ReplaceHint(string target, ReadOnlySpan<byte> content)
    {
        var source = NewPath();
        using (var file = runtime.Files.Open(source, FileOpening.CreateNew))
        {
            file.Write(0, content);
        }

        runtime.Files.Rename(source, target);
    }

    /// <summary>Reads a whole file.</summary>
    /// <param name="target">The file.</param>
    /// <param name="sizeBytesMax">A longer one is cut one byte after this.</param>
    /// <returns>Null when there is no such file. It is opened: to ask whether it exists also hides errors.</returns>
    public byte[]? ReadOrNull(string target, int sizeBytesMax)
    {
        try
        {
            using var file = runtime.Files.Open(target, FileOpening.ReadOnly);
            var content = new byte[Math.Min(file.Length, sizeBytesMax + 1L)];
            return content[..file.ReadFully(0, content)];
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Whether a file is there.</summary>
    public bool Exists(string target) => runtime.Files.FileExists(target);

    /// <summary>Names in a directory, in ordinal order; none when there is no such directory.</summary>
    public IReadOnlyList<string> List(string directory) =>
        runtime.Files.DirectoryExists(directory) ? runtime.Files.List(directory) : [];

    /// <summary>Removes a file that somebody else may remove at the same time.</summary>
    /// <returns>False when it was gone.</returns>
    public bool Delete(string target)
    {
        try
        {
            runtime.Files.Delete(target);
        }
        catch (FileNotFoundException)
        {
            return false;
        }

        runtime.Files.FlushDirectory(ParentOf(target));
        return true;
    }

    /// <summary>Makes the names in a directory durable, whoever made them.</summary>
    public void FlushDirectory(string directory) => runtime.Files.FlushDirectory(directory);

    /// <summary>Makes a directory, and those above it within the cloud, so that they survive power loss.</summary>
    public void MakeDirectory(string directory)
    {
        lock (_gate)
        {
            if (_durableDirectories.Contains(directory) && runtime.Files.DirectoryExists(directory))
            {
                return;
            }
        }

        runtime.Files.CreateDirectory(directory);

        // Flushed also when it was there: whoever made it may have died before that.
        for (var made = directory; made.Length > Path.Length; made = ParentOf(made))
        {
            runtime.Files.FlushDirectory(ParentOf(made));
        }

        lock (_gate)
        {
            _durableDirectories.Add(directory);
        }
    }

    /// <summary>Watches a directory, which is made when it is missing.</summary>
    /// <returns>Null when it cannot be watched.</returns>
    public IDisposable? TryWatch(string directory, Action changed)
    {
        MakeDirectory(directory);
        return runtime.Files.TryWatch(directory, changed);
    }

    /// <summary>Milliseconds since the Unix epoch by the wall clock.</summary>
    public long WallClockMs() => runtime.WallClockMs();

    /// <summary>A random number, 32 hexadecimal digits.</summary>
    public string NewRandomName()
    {
        Span<byte> bytes = stackalloc byte[16];
        runtime.Random.Fill(bytes);
        return Convert.ToHexStringLower(bytes);
    }

    private static string ParentOf(string path) => System.IO.Path.GetDirectoryName(path) is { Length: > 0 } parent
        ? parent
        : ".";

    private CloudUnavailableException NewMissing() =>
        new(CloudProblem.Missing, $"There is no cloud in '{Path}': it was taken away, or the place is not mounted.");

    private void Create()
    {
        var missing = new Stack<string>();
        for (var at = Path; !runtime.Files.DirectoryExists(at); at = ParentOf(at))
        {
            missing.Push(at);
        }

        runtime.Files.CreateDirectory(Path);
        while (missing.TryPop(out var made))
        {
            runtime.Files.FlushDirectory(ParentOf(made));
        }

        runtime.Files.FlushDirectory(ParentOf(Path));
        Span<byte> incarnation = stackalloc byte[CloudIncarnation.SizeBytes];
        runtime.Random.Fill(incarnation);

        // Of several that make it at once, one has its way.
        TryCreate(In(CloudFileName), EncodeCloudFile(CloudIncarnation.Read(incarnation)));
    }

    private string WriteNew(ReadOnlySpan<byte> content)
    {
        var source = NewPath();
        using var file = runtime.Files.Open(source, FileOpening.CreateNew);
        file.Write(0, content);
        file.Flush();
        return source;
    }

    private string NewPath()
    {
        MakeDirectory(NewFilesPath);
        return System.IO.Path.Combine(NewFilesPath, NewRandomName());
    }
}
