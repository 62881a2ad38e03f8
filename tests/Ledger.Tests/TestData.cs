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
}
