using Ledger.Conformance;
using Ledger.Runtime;
using Xunit;

namespace Ledger.Tests.Runtime;

public sealed class MemoryFileSystemTests : FileSystemConformance
{
    private const int BlockSize = 4096;

    private readonly MemoryFileSystem _files = new();

    public MemoryFileSystemTests() => _files.CreateDirectory(Root);

    protected override IFileSystem Files => _files;

    protected override string Root => "/disk";

    [Fact]
    public void Nothing_is_written_where_there_is_no_room()
    {
        var files = new MemoryFileSystem(3 * BlockSize);
        using var file = files.Open("/a", FileOpening.CreateNew);
        file.Write(0, new byte[2 * BlockSize]);

        var exception = Assert.Throws<DiskFullException>(() => file.Write(2 * BlockSize, new byte[2 * BlockSize]));

        Assert.Contains("'/a'", exception.Message, StringComparison.Ordinal);
        Assert.Equal(3 * BlockSize, file.Length);
        Assert.Equal(3 * BlockSize, files.UsedBytes);
    }

    [Fact]
    public void Room_that_was_preallocated_is_never_refused()
    {
        var files = new MemoryFileSystem(3 * BlockSize);
        using var first = files.Open("/a", FileOpening.CreateNew);
        using var second = files.Open("/b", FileOpening.CreateNew);
        first.Preallocate((2 * BlockSize) - 5);
        second.Write(0, "x"u8);

        Assert.Throws<DiskFullException>(() => second.Write(BlockSize, "y"u8));
        first.Write(0, new byte[2 * BlockSize]);

        Assert.Equal(2 * BlockSize, first.Length);
    }

    [Fact]
    public void Preallocating_too_much_changes_nothing()
    {
        var files = new MemoryFileSystem(3 * BlockSize);
        using var file = files.Open("/a", FileOpening.CreateNew);
        file.Write(0, "hello"u8);

        Assert.Throws<DiskFullException>(() => file.Preallocate((3 * BlockSize) + 1));

        Assert.Equal(5, file.Length);
        Assert.Equal(BlockSize, files.UsedBytes);
    }

    [Fact]
    public void Room_comes_back_by_cutting_replacing_and_deleting()
    {
        var files = new MemoryFileSystem(4 * BlockSize);
        var first = files.Open("/a", FileOpening.CreateNew);
        var second = files.Open("/b", FileOpening.CreateNew);
        first.Write(0, new byte[2 * BlockSize]);
        second.Write(0, new byte[2 * BlockSize]);

        first.SetLength(BlockSize + 1);
        Assert.Equal(4 * BlockSize, files.UsedBytes);
        first.SetLength(BlockSize);
        Assert.Equal(3 * BlockSize, files.UsedBytes);
        files.Rename("/a", "/b");
        Assert.Equal(3 * BlockSize, files.UsedBytes);
        second.Dispose();
        Assert.Equal(BlockSize, files.UsedBytes);
        first.Dispose();
        files.Delete("/b");

        Assert.Equal(0, files.UsedBytes);
    }

    [Fact]
    public void Growing_without_writing_takes_no_room()
    {
        var files = new MemoryFileSystem(BlockSize);
        using var file = files.Open("/a", FileOpening.CreateNew);

        file.SetLength(100 * BlockSize);

        Assert.Equal(0, files.UsedBytes);
        Assert.Equal(100 * BlockSize, file.Length);
    }
}
