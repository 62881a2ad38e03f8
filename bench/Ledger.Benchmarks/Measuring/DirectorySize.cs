namespace Ledger.Benchmarks.Measuring;

/// <summary>What a directory takes on disk.</summary>
internal static class DirectorySize
{
    /// <summary>Lengths of all files below it.</summary>
    public static long Bytes(string directory) =>
        new DirectoryInfo(directory).EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length);

    /// <summary>Number of files below it.</summary>
    public static int Files(string directory) =>
        Directory.EnumerateFiles(directory, "*", SearchOption.AllDirectories).Count();

    /// <summary>Copies all files.</summary>
    public static void Copy(string source, string target)
    {
        Directory.CreateDirectory(target);
        foreach (var path in Directory.EnumerateDirectories(source, "*", SearchOption.AllDirectories))
        {
            Directory.CreateDirectory(Path.Combine(target, Path.GetRelativePath(source, path)));
        }

        foreach (var path in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            File.Copy(path, Path.Combine(target, Path.GetRelativePath(source, path)));
        }
    }
}
