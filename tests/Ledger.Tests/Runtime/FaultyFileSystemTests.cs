using System.Text;
using Ledger.Conformance;
using Ledger.Runtime;
using Xunit;

namespace Ledger.Tests.Runtime;

public sealed class FaultyFileSystemTests : FileSystemConformance
{
    private const int Sector = 512;

    private readonly FaultyFileSystem _files = new();

    public FaultyFileSystemTests()
    {
        _files.CreateDirectory(Root);
        _files.MakeDurable();
    }

    protected override IFileSystem Files => _files;

    protected override string Root => "/disk";

    [Fact]
    public void What_was_flushed_with_its_name_survives_every_loss()
    {
        using var file = Durable("a", "hello");

        foreach (var loss in Enum.GetValues<CrashLoss>())
        {
            var image = _files.CrashImage(loss, seed: 3);

            Assert.Equal("hello", Text(image, "a"));
        }
    }

    [Fact]
    public void What_was_not_flushed_survives_a_kill_but_not_a_power_loss()
    {
        using var file = Durable("a", "hello");

        file.Write(2, "LL"u8);

        Assert.Equal("heLLo", Text(_files.CrashImage(CrashLoss.KeepAll), "a"));
        Assert.Equal("heLLo", Text(_files.CrashImage(CrashLoss.LoseNames), "a"));
        Assert.Equal("hello", Text(_files.CrashImage(CrashLoss.LoseAll), "a"));
        Assert.Equal("hello", Text(_files.CrashImage(CrashLoss.LoseContents), "a"));
    }

    [Fact]
    public void A_flushed_file_without_a_flushed_name_is_gone()
    {
        using var file = _files.Open(In("a"), FileOpening.CreateNew);
        file.Write(0, "hello"u8);
        file.Flush();

        Assert.Empty(_files.CrashImage(CrashLoss.LoseAll).Files());
        Assert.Equal("hello", Text(_files.CrashImage(CrashLoss.LoseContents), "a"));
    }

    [Fact]
    public void A_flushed_name_without_flushed_contents_is_an_empty_file()
    {
        using var file = _files.Open(In("a"), FileOpening.CreateNew);
        file.Write(0, "hello"u8);
        _files.FlushDirectory(Root);

        Assert.Equal("", Text(_files.CrashImage(CrashLoss.LoseAll), "a"));
    }

    [Fact]
    public void A_directory_needs_the_flush_of_the_one_above_it()
    {
        _files.CreateDirectory(In("d"));
        Durable("d/a", "x").Dispose();

        Assert.False(_files.CrashImage(CrashLoss.LoseAll).DirectoryExists(In("d")));
        _files.FlushDirectory(Root);
        Assert.Equal("x", Text(_files.CrashImage(CrashLoss.LoseAll), "d/a"));
    }

    [Fact]
    public void A_rename_is_atomic_and_durable_only_after_the_flush_of_the_directory()
    {
        Durable("a", "old").Dispose();
        Durable("b", "new").Dispose();
        _files.Rename(In("b"), In("a"));

        var results = Enumerable.Range(0, 50)
            .Select(seed => _files.CrashImage(CrashLoss.RandomSubset, seed))
            .Select(image => (Text(image, "a"), image.FileExists(In("b"))))
            .Distinct().Order();
        Assert.Equal([("new", false), ("old", true)], results);
        Assert.Equal("old", Text(_files.CrashImage(CrashLoss.LoseAll), "a"));

        _files.FlushDirectory(Root);
        Assert.Equal(["/disk/a"], _files.CrashImage(CrashLoss.LoseAll).Files());
        Assert.Equal("new", Text(_files.CrashImage(CrashLoss.LoseAll), "a"));
    }

    [Fact]
    public void A_deleted_file_comes_back_unless_its_directory_was_flushed()
    {
        Durable("a", "x").Dispose();

        _files.Delete(In("a"));

        Assert.Equal("x", Text(_files.CrashImage(CrashLoss.LoseAll), "a"));
        _files.FlushDirectory(Root);
        Assert.Empty(_files.CrashImage(CrashLoss.LoseAll).Files());
    }

    [Fact]
    public void Unflushed_changes_of_names_survive_in_any_subset()
    {
        foreach (var name in new[] { "a", "b", "c" })
        {
            _files.Open(In(name), FileOpening.CreateNew).Dispose();
        }

        var subsets = Enumerable.Range(0, 300)
            .Select(seed => string.Concat(_files.CrashImage(CrashLoss.RandomSubset, seed).List(Root)))
            .Distinct().Order(StringComparer.Ordinal);

        Assert.Equal(["", "a", "ab", "abc", "ac", "b", "bc", "c"], subsets);
    }

    [Fact]
    public void Unflushed_sectors_survive_in_any_subset_and_each_is_whole()
    {
        using var file = Durable("a", new string('o', 3 * Sector));
        file.Write(0, Bytes('n', 3 * Sector));

        var subsets = Enumerable.Range(0, 300)
            .Select(seed => SectorsOf(Text(_files.CrashImage(CrashLoss.RandomSubset, seed), "a")))
            .Distinct().Order(StringComparer.Ordinal);

        Assert.Equal(["nnn", "nno", "non", "noo", "onn", "ono", "oon", "ooo"], subsets);
    }

    [Fact]
    public void A_sector_written_twice_survives_in_any_of_its_versions()
    {
        using var file = Durable("a", new string('o', Sector));
        file.Write(0, Bytes('m', Sector));
        file.Write(0, Bytes('n', Sector));

        var versions = Enumerable.Range(0, 100)
            .Select(seed => SectorsOf(Text(_files.CrashImage(CrashLoss.RandomSubset, seed), "a")))
            .Distinct().Order(StringComparer.Ordinal);

        Assert.Equal(["m", "n", "o"], versions);
    }

    [Fact]
    public void An_unflushed_length_is_the_old_or_the_new_one()
    {
        using var file = Durable("a", new string('o', 100));
        file.Write(100, Bytes('n', 100));

        var results = Enumerable.Range(0, 200)
            .Select(seed => Text(_files.CrashImage(CrashLoss.RandomSubset, seed), "a"))
            .Select(text => (text.Length, text[^1])).Distinct().Order();

        Assert.Equal([(100, 'o'), (200, '\0'), (200, 'n')], results);
    }

    [Fact]
    public void Cutting_and_growing_are_durable_only_after_a_flush()
    {
        using var file = Durable("a", new string('o', 1_000));
        file.SetLength(10);
        file.Preallocate(700);

        var lengths = Enumerable.Range(0, 200)
            .Select(seed => Text(_files.CrashImage(CrashLoss.RandomSubset, seed), "a"))
            .Select(text => (text.Length, text.Count(c => c == 'o'))).Distinct().Order();

        Assert.Equal([(10, 10), (700, 10), (1_000, 1_000)], lengths);
        Assert.Equal(1_000, Text(_files.CrashImage(CrashLoss.LoseAll), "a").Length);
        file.Flush();
        Assert.Equal(
            new string('o', 10) + new string('\0', 690), Text(_files.CrashImage(CrashLoss.LoseAll), "a"));
    }

    [Fact]
    public void A_torn_write_keeps_its_first_sectors_and_all_before_it()
    {
        using var file = Durable("a", new string('o', 4 * Sector));
        file.Write(0, Bytes('m', Sector));
        file.Write(Sector, Bytes('n', 3 * Sector));

        var results = Enumerable.Range(0, 50)
            .Select(seed => SectorsOf(Text(_files.CrashImage(CrashLoss.Torn, seed), "a")))
            .Distinct().Order(StringComparer.Ordinal);

        Assert.Equal(["mnno", "mnoo", "mooo"], results);
    }

    [Fact]
    public void After_the_crash_every_call_throws_what_no_product_code_catches()
    {
        using var file = Durable("a", "x");
        var held = _files.TryLock(In("lock"));
        _files.Faults.CrashAt(_files.Faults.OperationCount + 1);

        Assert.Throws<SimulatedCrashException>(() => file.Write(0, "y"u8));

        Assert.False(typeof(IOException).IsAssignableFrom(typeof(SimulatedCrashException)));
        Assert.True(_files.Faults.IsCrashed);
        Assert.Throws<SimulatedCrashException>(() => file.Read(0, new byte[1]));
        Assert.Throws<SimulatedCrashException>(() => file.Length);
        Assert.Throws<SimulatedCrashException>(file.Flush);
        Assert.Throws<SimulatedCrashException>(() => _files.FileExists(In("a")));
        Assert.Throws<SimulatedCrashException>(() => _files.List(Root));
        Assert.Throws<SimulatedCrashException>(() => _files.TryLock(In("lock2")));
        Assert.Throws<SimulatedCrashException>(() => _files.CreateDirectory(In("d")));
        held!.Dispose();
        using var next = _files.CrashImage(CrashLoss.LoseNames).TryLock(In("lock"));
        Assert.NotNull(next);
    }

    [Theory]
    [InlineData(CrashMoment.Before, "ooo")]
    [InlineData(CrashMoment.After, "nnn")]
    public void A_crash_comes_before_or_after_the_operation(CrashMoment moment, string expected)
    {
        using var file = Durable("a", new string('o', 3 * Sector));
        _files.Faults.CrashAt(_files.Faults.OperationCount + 1, moment);

        Assert.Throws<SimulatedCrashException>(() => file.Write(0, Bytes('n', 3 * Sector)));

        Assert.Equal(expected, SectorsOf(Text(_files.CrashImage(CrashLoss.KeepAll), "a")));
    }

    [Fact]
    public void A_crash_in_the_middle_of_a_write_leaves_its_first_sectors()
    {
        var results = Crashes("a", file => file.Write(0, Bytes('n', 3 * Sector)), CrashLoss.KeepAll);

        Assert.Equal(["nno", "noo", "ooo"], results);
    }

    [Fact]
    public void A_crash_in_the_middle_of_a_flush_leaves_any_subset_durable()
    {
        var results = Crashes(
            "a",
            file => file.Flush(),
            CrashLoss.LoseAll,
            file => file.Write(0, Bytes('n', 3 * Sector)));

        Assert.Equal(["nnn", "nno", "non", "noo", "onn", "ono", "oon", "ooo"], results);
    }

    [Fact]
    public void What_a_failed_flush_dropped_no_later_flush_brings_back()
    {
        var results = new HashSet<string>();
        for (var seed = 0; seed < 200; seed++)
        {
            var files = new FaultyFileSystem(seed);
            using var file = Durable(files, "a", new string('o', 2 * Sector));
            file.Write(0, Bytes('n', 2 * Sector));
            files.Faults.FailAt(files.Faults.OperationCount + 1);

            Assert.Throws<IOException>(file.Flush);
            file.Flush();

            Assert.Equal("nn", SectorsOf(Text(files, "a")));
            Assert.Equal("nn", SectorsOf(Text(files.CrashImage(CrashLoss.KeepAll), "a")));
            results.Add(SectorsOf(Text(files.CrashImage(CrashLoss.LoseAll), "a")));
        }

        Assert.Equal(["nn", "no", "on", "oo"], results.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void What_is_written_after_a_failed_flush_can_be_flushed()
    {
        using var file = Durable("a", "hello");
        _files.Faults.FailAt(_files.Faults.OperationCount + 1);
        Assert.Throws<IOException>(file.Flush);

        file.Write(5_000, "later"u8);
        file.Flush();

        Assert.EndsWith("later", Text(_files.CrashImage(CrashLoss.LoseAll), "a"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_failed_write_may_have_done_its_first_sectors()
    {
        using var file = Durable("a", new string('o', 3 * Sector));
        _files.Faults.FailAt(_files.Faults.OperationCount + 1);

        Assert.Throws<IOException>(() => file.Write(0, Bytes('n', 3 * Sector)));

        Assert.Contains(SectorsOf(Text(_files, "a")), new[] { "ooo", "noo", "nno" });
        file.Write(0, Bytes('n', 3 * Sector));
        Assert.Equal("nnn", SectorsOf(Text(_files, "a")));
    }

    [Fact]
    public void Other_operations_that_fail_do_nothing()
    {
        Durable("a", "x").Dispose();
        var next = _files.Faults.OperationCount + 1;
        Enumerable.Range(next, 5).ToList().ForEach(_files.Faults.FailAt);

        Assert.Throws<IOException>(() => _files.Open(In("b"), FileOpening.CreateNew));
        Assert.Throws<IOException>(() => _files.Rename(In("a"), In("b")));
        Assert.Throws<IOException>(() => _files.Delete(In("a")));
        Assert.Throws<IOException>(() => _files.CreateDirectory(In("d")));
        Assert.Throws<IOException>(() => _files.FlushDirectory(Root));

        Assert.Equal(["a"], _files.List(Root));
    }

    [Fact]
    public void Reads_fail_by_number_and_by_probability()
    {
        using var file = Durable("a", "hello");
        var buffer = new byte[5];

        _files.Faults.FailReadAt(_files.Faults.ReadCount + 1);
        Assert.Throws<IOException>(() => file.Read(0, buffer));
        Assert.Equal(5, file.Read(0, buffer));
        _files.Faults.ReadFailureProbability = 1;

        Assert.Throws<IOException>(() => file.Read(0, buffer));
    }

    [Fact]
    public void Short_reads_give_something_but_not_all()
    {
        using var file = Durable("a", "hello");
        var buffer = new byte[5];
        _files.Faults.ShortReadProbability = 1;

        var counts = Enumerable.Range(0, 100).Select(_ => file.Read(0, buffer)).Distinct().Order();

        Assert.Equal([1, 2, 3, 4], counts);
        Assert.Equal(5, file.ReadFully(0, buffer));
        Assert.Equal("hello"u8, buffer);
    }

    [Fact]
    public void A_full_disk_refuses_what_needs_room_until_there_is_some()
    {
        using var file = Durable("a", new string('o', 2 * Sector));
        _files.Faults.FillAt(_files.Faults.OperationCount + 1);

        Assert.Throws<DiskFullException>(() => file.Write(Sector, Bytes('n', 2 * Sector)));
        Assert.Throws<DiskFullException>(() => file.Preallocate(5 * Sector));
        Assert.Throws<DiskFullException>(() => _files.Open(In("b"), FileOpening.CreateNew));
        file.Write(0, Bytes('m', Sector));
        file.Flush();
        _files.Rename(In("a"), In("c"));
        Assert.InRange(file.Length, 2 * Sector, (3 * Sector) - 1);
        _files.Faults.FreeSpace();
        file.Write(Sector, Bytes('n', 2 * Sector));

        Assert.Equal("mnn", SectorsOf(Text(_files, "c")));
    }

    [Fact]
    public void Preallocated_room_holds_on_a_full_disk_unless_that_fails_too()
    {
        using var file = Durable("a", "");
        file.Preallocate(4 * Sector);
        _files.Faults.FillAt(_files.Faults.OperationCount + 1);
        file.Write(0, Bytes('n', 4 * Sector));

        _files.Faults.FillAt(_files.Faults.OperationCount + 1, evenWhereReserved: true);

        Assert.Throws<DiskFullException>(() => file.Write(0, Bytes('m', 4 * Sector)));
    }

    [Fact]
    public void A_flipped_bit_is_seen_and_stays()
    {
        using var file = Durable("a", "aaaa");

        _files.FlipBit(In("a"), (2 * 8) + 1);

        Assert.Equal("aaca", Text(_files, "a"));
        Assert.Equal("aaca", Text(_files.CrashImage(CrashLoss.LoseAll), "a"));
        Assert.Throws<ArgumentOutOfRangeException>(() => _files.FlipBit(In("a"), 32));
    }

    [Fact]
    public void A_disk_that_lies_about_flushes_loses_what_it_promised()
    {
        Durable("a", "old").Dispose();
        _files.Faults.IgnoreFileFlushes = true;
        Durable("b", "new").Dispose();
        _files.Faults.IgnoreDirectoryFlushes = true;
        Durable("c", "new").Dispose();

        var image = _files.CrashImage(CrashLoss.LoseAll);

        Assert.Equal(["a", "b"], image.List(Root));
        Assert.Equal("", Text(image, "b"));
        Assert.Equal(["a", "b", "c"], _files.CrashImage(CrashLoss.KeepAll).List(Root));
    }

    [Fact]
    public void One_seed_is_one_history()
    {
        var first = Play(seed: 11);
        var second = Play(seed: 11);
        var other = Play(seed: 12);

        Assert.Equal(first, second);
        Assert.NotEqual(first, other);

        static string Play(int seed)
        {
            var files = new FaultyFileSystem(seed);
            files.Faults.WriteFailureProbability = 0.2;
            files.Faults.FlushFailureProbability = 0.2;
            var random = new Random(1);
            using var file = files.Open("/a", FileOpening.CreateNew);
            var failures = 0;
            for (var step = 0; step < 100; step++)
            {
                var content = new byte[random.Next(1, 3_000)];
                random.NextBytes(content);
                try
                {
                    file.Write(random.Next(20_000), content);
                    file.Flush();
                }
                catch (IOException)
                {
                    failures++;
                }
            }

            Assert.InRange(failures, 10, 90);
            var image = files.CrashImage(CrashLoss.LoseContents, seed).ReadAllBytes("/a");
            return string.Join('\n', files.Faults.Operations) + Convert.ToHexString(image);
        }
    }

    [Fact]
    public void The_log_says_what_was_done()
    {
        var files = new FaultyFileSystem();
        using var file = Durable(files, "a", "hello");
        files.Rename("/disk/a", "/disk/b");

        Assert.Equal(
            [
                "1: mkdir /disk", "2: flush directory /", "3: create /disk/a", "4: write /disk/a at 0, 5 bytes",
                "5: flush /disk/a", "6: flush directory /disk", "7: rename /disk/a to /disk/b",
            ],
            files.Faults.Operations);
    }

    private static byte[] Bytes(char value, int count) => Encoding.ASCII.GetBytes(new string(value, count));

    private static string Text(FaultyFileSystem files, string name) =>
        Encoding.ASCII.GetString(files.ReadAllBytes($"/disk/{name}"));

    /// <summary>One letter for each sector, all of whose bytes must be that letter.</summary>
    private static string SectorsOf(string text) => string.Concat(text.Chunk(Sector).Select(sector =>
    {
        Assert.Single(sector.Distinct());
        return sector[0];
    }));

    /// <summary>What is left of a file of three old sectors when the process dies within an action on it.</summary>
    private static SortedSet<string> Crashes(
        string name, Action<IFile> action, CrashLoss loss, Action<IFile>? preparation = null)
    {
        var results = new SortedSet<string>(StringComparer.Ordinal);
        for (var seed = 0; seed < 200; seed++)
        {
            var files = new FaultyFileSystem(seed);
            using var file = Durable(files, name, new string('o', 3 * Sector));
            preparation?.Invoke(file);
            files.Faults.CrashAt(files.Faults.OperationCount + 1, CrashMoment.Middle);
            Assert.Throws<SimulatedCrashException>(() => action(file));
            results.Add(SectorsOf(Text(files.CrashImage(loss), name)));
        }

        return results;
    }

    private static IFile Durable(FaultyFileSystem files, string name, string content)
    {
        if (!files.DirectoryExists("/disk"))
        {
            files.CreateDirectory("/disk");
            files.FlushDirectory("/");
        }

        var path = $"/disk/{name}";
        var file = files.Open(path, FileOpening.CreateNew);
        file.Write(0, Encoding.ASCII.GetBytes(content));
        file.Flush();
        files.FlushDirectory(Path.GetDirectoryName(path)!);
        return file;
    }

    private IFile Durable(string name, string content) => Durable(_files, name, content);
}
