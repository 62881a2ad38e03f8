using System.Text;
using Ledger.Runtime;
using Xunit;

namespace Ledger.Conformance;

/// <summary>What every file system behind the disk seam must do.</summary>
public abstract class FileSystemConformance
{
    /// <summary>The file system under test.</summary>
    protected abstract IFileSystem Files { get; }

    /// <summary>An empty directory in it that exists, as an absolute path.</summary>
    protected abstract string Root { get; }

    [Fact]
    public void A_new_file_is_empty_and_exists()
    {
        var path = In("a");

        using var file = Files.Open(path, FileOpening.CreateNew);

        Assert.Equal(0, file.Length);
        Assert.True(Files.FileExists(path));
        Assert.False(Files.DirectoryExists(path));
    }

    [Fact]
    public void A_new_file_needs_a_free_name()
    {
        Make("a", "old");
        Files.CreateDirectory(In("d"));

        Assert.ThrowsAny<IOException>(() => Files.Open(In("a"), FileOpening.CreateNew));
        Assert.ThrowsAny<IOException>(() => Files.Open(In("d"), FileOpening.CreateNew));

        Assert.Equal("old", Content("a"));
    }

    [Theory]
    [InlineData(FileOpening.ReadWrite)]
    [InlineData(FileOpening.ReadOnly)]
    public void A_file_that_is_missing_cannot_be_opened(FileOpening opening)
    {
        Assert.Throws<FileNotFoundException>(() => Files.Open(In("a"), opening));

        Assert.False(Files.FileExists(In("a")));
    }

    [Theory]
    [InlineData(FileOpening.CreateNew)]
    [InlineData(FileOpening.ReadWrite)]
    [InlineData(FileOpening.ReadOnly)]
    public void A_missing_directory_is_told_from_a_missing_file(FileOpening opening)
    {
        Assert.Throws<DirectoryNotFoundException>(() => Files.Open(In("no/a"), opening));
        Assert.Throws<DirectoryNotFoundException>(() => Files.TryLock(In("no/a")));
        Assert.Throws<DirectoryNotFoundException>(() => Files.List(In("no")));
        Assert.Throws<DirectoryNotFoundException>(() => Files.FlushDirectory(In("no")));
    }

    [Theory]
    [InlineData(FileOpening.ReadWrite)]
    [InlineData(FileOpening.ReadOnly)]
    public void A_directory_cannot_be_opened_as_a_file(FileOpening opening)
    {
        Files.CreateDirectory(In("d"));

        Assert.Throws<UnauthorizedAccessException>(() => Files.Open(In("d"), opening));
    }

    [Fact]
    public void What_is_written_is_read_by_every_handle_at_once()
    {
        using var writer = Files.Open(In("a"), FileOpening.CreateNew);
        using var reader = Files.Open(In("a"), FileOpening.ReadOnly);

        writer.Write(0, "hello"u8);
        writer.Write(3, "p!"u8);

        Assert.Equal("help!", Read(reader));
        Assert.Equal(5, reader.Length);
    }

    [Fact]
    public void A_read_ends_at_the_end_of_the_file()
    {
        using var file = Make("a", "hello");
        var buffer = new byte[10];

        Assert.Equal(2, file.ReadFully(3, buffer));
        Assert.Equal("lo"u8, buffer.AsSpan(0, 2));
        Assert.Equal(0, file.Read(5, buffer));
        Assert.Equal(0, file.Read(500, buffer));
        Assert.Equal(0, file.Read(0, []));
    }

    [Fact]
    public void Writing_beyond_the_end_leaves_zeros_between()
    {
        using var file = Make("a", "x");

        file.Write(100_000, "y"u8);

        var buffer = new byte[100_001];
        Assert.Equal(100_001, file.Length);
        Assert.Equal(100_001, file.ReadFully(0, buffer));
        Assert.Equal((byte)'x', buffer[0]);
        Assert.Equal((byte)'y', buffer[^1]);
        Assert.False(buffer.AsSpan(1..^1).ContainsAnyExcept((byte)0));
    }

    [Fact]
    public void Writing_nothing_changes_nothing()
    {
        using var file = Make("a", "x");

        file.Write(50, []);

        Assert.Equal(1, file.Length);
    }

    [Fact]
    public void A_file_grows_with_zeros_and_forgets_what_was_cut()
    {
        using var file = Make("a", new string('x', 10_000));

        file.SetLength(2);
        file.SetLength(9_000);

        Assert.Equal("xx" + new string('\0', 8_998), Read(file));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(300_000)]
    public void Preallocating_grows_with_zeros_and_never_cuts(int length)
    {
        using var file = Make("a", "hello");

        file.Preallocate(length);

        Assert.Equal("hello" + new string('\0', Math.Max(0, length - 5)), Read(file));
    }

    [Fact]
    public void Offsets_and_lengths_below_zero_are_refused()
    {
        using var file = Make("a", "x");

        Assert.Throws<ArgumentOutOfRangeException>(() => file.Read(-1, new byte[1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Write(-1, new byte[1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => file.SetLength(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Preallocate(-1));
    }

    [Fact]
    public void A_file_opened_for_reading_refuses_changes()
    {
        Make("a", "x").Dispose();
        using var file = Files.Open(In("a"), FileOpening.ReadOnly);

        Assert.Throws<UnauthorizedAccessException>(() => file.Write(0, "y"u8));
        Assert.Throws<UnauthorizedAccessException>(() => file.SetLength(0));
        Assert.Throws<UnauthorizedAccessException>(() => file.Preallocate(10));

        Assert.Equal("x", Read(file));
    }

    [Fact]
    public void A_closed_file_refuses_everything()
    {
        var file = Make("a", "x");

        file.Dispose();
        file.Dispose();

        Assert.Throws<ObjectDisposedException>(() => file.Read(0, new byte[1]));
        Assert.Throws<ObjectDisposedException>(() => file.Write(0, new byte[1]));
        Assert.Throws<ObjectDisposedException>(() => file.Length);
        Assert.Throws<ObjectDisposedException>(file.Flush);
        Assert.Throws<ObjectDisposedException>(() => file.SetLength(0));
        Assert.Throws<ObjectDisposedException>(() => file.Preallocate(5));
    }

    [Fact]
    public void Flushing_keeps_what_was_written()
    {
        using var file = Make("a", "hello");

        file.Flush();
        file.Flush();
        Files.FlushDirectory(Root);

        Assert.Equal("hello", Content("a"));
    }

    [Fact]
    public void Making_a_directory_makes_those_above_it_and_may_be_repeated()
    {
        Files.CreateDirectory(In("d/e/f"));
        Files.CreateDirectory(In("d/e/f"));

        Assert.True(Files.DirectoryExists(In("d/e")));
        Assert.True(Files.DirectoryExists(In("d/e/f")));
        Assert.False(Files.FileExists(In("d/e/f")));
        Assert.False(Files.DirectoryExists(In("d/g")));
        Assert.Empty(Files.List(In("d/e/f")));
    }

    [Fact]
    public void A_file_is_no_directory()
    {
        Make("a", "x").Dispose();

        Assert.False(Files.DirectoryExists(In("a")));
        Assert.False(Files.FileExists(In("a/b")));
        Assert.ThrowsAny<IOException>(() => Files.CreateDirectory(In("a")));
        Assert.ThrowsAny<IOException>(() => Files.CreateDirectory(In("a/b")));
        Assert.ThrowsAny<IOException>(() => Files.List(In("a")));
        Assert.ThrowsAny<IOException>(() => Files.FlushDirectory(In("a")));
    }

    [Fact]
    public void Names_are_listed_in_ordinal_order()
    {
        foreach (var name in new[] { "b", "a", "B", "ä", "a.b", "a-b" })
        {
            Make(name, name).Dispose();
        }

        Files.CreateDirectory(In("aa"));

        Assert.Equal(["B", "a", "a-b", "a.b", "aa", "b", "ä"], Files.List(Root));
    }

    [Fact]
    public void Renaming_moves_the_file_within_and_between_directories()
    {
        using var file = Make("a", "x");
        Files.CreateDirectory(In("d"));

        Files.Rename(In("a"), In("b"));
        Files.Rename(In("b"), In("d/c"));
        file.Write(1, "y"u8);

        Assert.Equal(["d"], Files.List(Root));
        Assert.Equal(["c"], Files.List(In("d")));
        Assert.Equal("xy", Content("d/c"));
    }

    [Fact]
    public void Renaming_replaces_a_file_that_old_handles_still_read()
    {
        using var old = Make("a", "old");
        Make("b", "new").Dispose();

        Files.Rename(In("b"), In("a"));

        Assert.Equal(["a"], Files.List(Root));
        Assert.Equal("new", Content("a"));
        Assert.Equal("old", Read(old));
    }

    [Fact]
    public void Renaming_a_file_to_its_own_name_does_nothing()
    {
        Make("a", "x").Dispose();

        Files.Rename(In("a"), In("a"));

        Assert.Equal("x", Content("a"));
    }

    [Fact]
    public void Renaming_needs_a_file_and_a_place()
    {
        Make("a", "x").Dispose();
        Files.CreateDirectory(In("d"));

        Assert.Throws<FileNotFoundException>(() => Files.Rename(In("no"), In("b")));
        Assert.Throws<FileNotFoundException>(() => Files.Rename(In("d"), In("b")));
        Assert.Throws<DirectoryNotFoundException>(() => Files.Rename(In("a"), In("no/b")));
        Assert.ThrowsAny<IOException>(() => Files.Rename(In("a"), In("d")));

        Assert.Equal(["a", "d"], Files.List(Root));
    }

    [Fact]
    public void A_free_name_is_taken_by_exactly_one_of_many()
    {
        var sources = Enumerable.Range(0, 8).Select(number => $"s{number}").ToArray();
        foreach (var source in sources)
        {
            Make(source, source).Dispose();
        }

        var winners = sources.AsParallel().WithDegreeOfParallelism(8)
            .Where(source => Files.TryRename(In(source), In("a"))).ToArray();

        Assert.Equal(winners[0], Content("a"));
        Assert.Single(winners);
        Assert.Equal(["a", .. sources.Except(winners)], Files.List(Root));
    }

    [Fact]
    public void Taking_a_name_needs_a_file_and_a_place()
    {
        Make("a", "x").Dispose();
        Files.CreateDirectory(In("d"));

        Assert.False(Files.TryRename(In("a"), In("d")));
        Assert.False(Files.TryRename(In("a"), In("a")));
        Assert.Throws<FileNotFoundException>(() => Files.TryRename(In("no"), In("b")));
        Assert.Throws<DirectoryNotFoundException>(() => Files.TryRename(In("a"), In("no/b")));

        Assert.Equal(["a", "d"], Files.List(Root));
    }

    [Fact]
    public async Task A_watch_is_called_when_a_name_in_its_directory_changes()
    {
        Files.CreateDirectory(In("d"));
        Make("a", "x").Dispose();
        using var calls = new SemaphoreSlim(0);
        using (Files.TryWatch(In("d"), () => calls.Release()))
        {
            Files.Rename(In("a"), In("d/b"));

            Assert.True(await calls.WaitAsync(TimeSpan.FromSeconds(20)));
        }

        Assert.Throws<DirectoryNotFoundException>(() => Files.TryWatch(In("no"), () => { }));
    }

    [Fact]
    public void A_deleted_file_is_gone_but_old_handles_still_read_it()
    {
        using var file = Make("a", "x");

        Files.Delete(In("a"));

        Assert.False(Files.FileExists(In("a")));
        Assert.Empty(Files.List(Root));
        Assert.Equal("x", Read(file));
    }

    [Fact]
    public void Deleting_needs_a_file()
    {
        Files.CreateDirectory(In("d"));

        Assert.Throws<FileNotFoundException>(() => Files.Delete(In("a")));
        Assert.Throws<FileNotFoundException>(() => Files.Delete(In("d")));
        Assert.Throws<FileNotFoundException>(() => Files.Delete(In("no/a")));
    }

    [Fact]
    public void A_lock_has_one_holder_until_it_is_disposed()
    {
        var first = Files.TryLock(In("lock"));
        var refused = Files.TryLock(In("lock"));

        first!.Dispose();
        first.Dispose();
        using var second = Files.TryLock(In("lock"));

        Assert.Null(refused);
        Assert.NotNull(second);
        Assert.True(Files.FileExists(In("lock")));
    }

    [Fact]
    public void Locks_of_different_files_do_not_meet()
    {
        using var first = Files.TryLock(In("lock1"));
        using var second = Files.TryLock(In("lock2"));

        Assert.NotNull(first);
        Assert.NotNull(second);
    }

    [Fact]
    public void A_locked_file_cannot_be_opened_nor_an_open_one_locked()
    {
        using var file = Make("open", "x");
        using var held = Files.TryLock(In("lock"));

        Assert.Null(Files.TryLock(In("open")));
        Assert.ThrowsAny<IOException>(() => Files.Open(In("lock"), FileOpening.ReadWrite));
    }

    [Fact]
    public void Random_writes_cuts_and_growths_agree_with_a_byte_array()
    {
        const int Seed = 17;
        var random = new Random(Seed);
        var model = Array.Empty<byte>();
        using var file = Files.Open(In("a"), FileOpening.CreateNew);

        for (var step = 0; step < 300; step++)
        {
            var position = random.Next(40_000);
            switch (random.Next(6))
            {
                case 0:
                    Array.Resize(ref model, position);
                    file.SetLength(position);
                    break;
                case 1:
                    Array.Resize(ref model, Math.Max(model.Length, position));
                    file.Preallocate(position);
                    break;
                default:
                    var content = new byte[1 + random.Next(9_000)];
                    random.NextBytes(content);
                    Array.Resize(ref model, Math.Max(model.Length, position + content.Length));
                    content.CopyTo(model, position);
                    file.Write(position, content);
                    break;
            }

            var actual = new byte[file.Length];
            file.ReadFully(0, actual);
            Assert.True(model.AsSpan().SequenceEqual(actual), $"Seed {Seed}, step {step}.");
        }
    }

    /// <summary>The path of a name under <see cref="Root"/>.</summary>
    protected string In(string name) => Path.Combine(Root, name.Replace('/', Path.DirectorySeparatorChar));

    private static string Read(IFile file)
    {
        var content = new byte[file.Length];
        Assert.Equal(content.Length, file.ReadFully(0, content));
        return Encoding.UTF8.GetString(content);
    }

    private IFile Make(string name, string content)
    {
        var file = Files.Open(In(name), FileOpening.CreateNew);
        file.Write(0, Encoding.UTF8.GetBytes(content));
        return file;
    }

    private string Content(string name)
    {
        using var file = Files.Open(In(name), FileOpening.ReadOnly);
        return Read(file);
    }
}
