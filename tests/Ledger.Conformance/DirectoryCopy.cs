using Ledger.Runtime;

namespace Ledger.Conformance;

/// <summary>Copies a closed repository, as a backup or a cloned machine would.</summary>
internal static class DirectoryCopy
{
    public static void Copy(IFileSystem files, string source, string target)
    {
        files.CreateDirectory(target);
        foreach (var name in files.List(source))
        {
            var (from, to) = (Path.Combine(source, name), Path.Combine(target, name));
            if (files.DirectoryExists(from))
            {
                Copy(files, from, to);
                continue;
            }

            using var read = files.Open(from, FileOpening.ReadOnly);
            using var write = files.Open(to, FileOpening.CreateNew);
            var content = new byte[read.Length];
            read.ReadFully(0, content);
            write.Write(0, content);
            write.Flush();
        }

        files.FlushDirectory(target);
    }
}
