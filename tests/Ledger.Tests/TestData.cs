using Ledger.Tests.Tidy;
using Xunit;

namespace Ledger.Tests;

/// <summary>The files of tests/data, copied beside the tests by the build.</summary>
internal static class TestData
{
    /// <summary>The whole file at <paramref name="path"/>, relative to tests/data.</summary>
    public static byte[] ReadBytes(string path) => File.ReadAllBytes(PathOf(path));

    /// <summary>The whole file at <paramref name="path"/>, relative to tests/data, as UTF-8.</summary>
    public static string ReadText(string path) => File.ReadAllText(PathOf(path));

    /// <summary>Where the build put the file.</summary>
    public static string PathOf(string path) => Path.Combine(AppContext.BaseDirectory, "data", path);

    /// <summary>Compares what was written with a file that is checked in; LEDGER_ACCEPT=1 checks it in.</summary>
    public static void AssertGolden(string path, byte[] written)
    {
        if (Environment.GetEnvironmentVariable("LEDGER_ACCEPT") == "1")
        {
            foreach (var target in new[] { Path.Combine(SourceFile.RepositoryRoot, "tests/data", path), PathOf(path) })
            {
                Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                File.WriteAllBytes(target, written);
            }
        }

        var beginning = Convert.ToHexString(written.AsSpan(0, Math.Min(written.Length, 400)));
        Assert.True(
            File.Exists(PathOf(path)) && written.AsSpan().SequenceEqual(ReadBytes(path)),
            $"tests/data/{path} is not what is written. If a new format is meant, keep the old file under another " +
            $"name and run with LEDGER_ACCEPT=1. It begins {beginning}");
    }
}
