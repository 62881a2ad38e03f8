using System.Diagnostics;
using System.Globalization;
using Ledger.Conformance;
using Ledger.Runtime;
using Ledger.Runtime.Real;
using Xunit;

namespace Ledger.Tests.Runtime;

public sealed class SystemFileSystemTests : FileSystemConformance, IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("ledger-tests-");

    protected override IFileSystem Files { get; } = new SystemFileSystem();

    protected override string Root => _directory.FullName;

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public void A_full_device_is_reported_as_a_full_disk()
    {
        if (!File.Exists("/dev/full"))
        {
            // Only Linux has the device that is always full; the mapping of numbers is the same code elsewhere.
            Assert.False(OperatingSystem.IsLinux());
            return;
        }

        using var file = Files.Open("/dev/full", FileOpening.ReadWrite);

        var exception = Assert.Throws<DiskFullException>(() => file.Write(0, "x"u8));

        Assert.Contains("/dev/full", exception.Message, StringComparison.Ordinal);
        Assert.IsType<IOException>(exception.InnerException);
    }

    [Fact]
    public void A_file_that_may_only_be_read_can_be_locked_by_one()
    {
        // Not even the superuser can open this one for writing; elsewhere there is no such file, and no such user.
        const string ReadOnlyPath = "/sys/kernel/uevent_seqnum";
        var path = File.Exists(ReadOnlyPath) ? ReadOnlyPath : In("a");
        if (path != ReadOnlyPath)
        {
            Files.Open(path, FileOpening.CreateNew).Dispose();
            File.SetAttributes(path, FileAttributes.ReadOnly);
        }

        using (var held = Files.TryLock(path))
        {
            Assert.NotNull(held);
            Assert.Null(Files.TryLock(path));
        }

        using var again = Files.TryLock(path);
        Assert.NotNull(again);
    }

    [Fact]
    public void Room_that_was_reserved_is_really_taken()
    {
        const int Length = 1 << 20;
        using var file = Files.Open(In("a"), FileOpening.CreateNew);

        file.Preallocate(Length);

        Assert.Equal(Length, file.Length);
        if (OperatingSystem.IsLinux())
        {
            Assert.InRange(BlocksOf(In("a")) * 512, Length, 2 * Length);
        }
    }

    [Fact]
    public void A_private_file_is_for_its_owner_alone_and_its_name_is_taken_as_any_other()
    {
        using (var file = Files.Open(In("a"), FileOpening.CreateNewPrivate))
        {
            file.Write(0, "secret"u8);
            Assert.Equal(6, file.Length);
        }

        Assert.Throws<IOException>(() => Files.Open(In("a"), FileOpening.CreateNewPrivate));
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(In("a")));
        }
    }

    [Fact]
    public async Task The_file_that_holds_the_secret_of_a_repository_is_for_its_owner_alone()
    {
        await using (await Repository.OpenAsync(In("repository")))
        {
            if (!OperatingSystem.IsWindows())
            {
                var mode = File.GetUnixFileMode(Path.Combine(In("repository"), "REPOSITORY"));

                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, mode);
            }
        }
    }

    [Fact]
    public void A_length_that_no_file_can_have_is_an_error_and_changes_nothing()
    {
        using var file = Files.Open(In("a"), FileOpening.CreateNew);
        file.Write(0, "hello"u8);

        Assert.ThrowsAny<IOException>(() => file.Preallocate(1L << 60));

        Assert.Equal(5, file.Length);
    }

    private static long BlocksOf(string path)
    {
        using var process = Process.Start(
            new ProcessStartInfo("stat", ["--format=%b", path]) { RedirectStandardOutput = true })!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return long.Parse(output, CultureInfo.InvariantCulture);
    }
}
