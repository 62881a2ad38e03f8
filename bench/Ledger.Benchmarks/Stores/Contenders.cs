using System.Runtime.InteropServices;

namespace Ledger.Benchmarks.Stores;

/// <summary>Who takes part.</summary>
internal enum Contender
{
    /// <summary>This project.</summary>
    Ledger,

    /// <summary>RocksDB.</summary>
    RocksDb,

    /// <summary>SQLite.</summary>
    Sqlite,

    /// <summary>LMDB.</summary>
    Lmdb,
}

/// <summary>Which contenders are here, and how one is opened.</summary>
internal static class Contenders
{
    /// <summary>Ledger and the peers whose libraries load; says of each other what is missing.</summary>
    public static IReadOnlyList<Contender> Present(bool withPeers, params Contender[] wanted) =>
        [Contender.Ledger, .. wanted.Where(contender => withPeers && IsPresent(contender))];

    /// <summary>Opens or makes a contender's store.</summary>
    public static async Task<KeyValueStore> OpenAsync(Contender contender, string directory, long cacheSizeBytes) =>
        contender switch
        {
            Contender.RocksDb => new RocksContender(directory, cacheSizeBytes),
            Contender.Sqlite => new SqliteContender(directory, cacheSizeBytes),
            Contender.Lmdb => new LmdbContender(directory),
            _ => await LedgerContender.OpenAsync(directory, cacheSizeBytes),
        };

    /// <summary>What it is called in tables.</summary>
    public static string NameOf(Contender contender) => contender switch
    {
        Contender.RocksDb => "RocksDB",
        Contender.Sqlite => "SQLite",
        Contender.Lmdb => "LMDB",
        _ => "Ledger",
    };

    private static bool IsPresent(Contender contender)
    {
        var (library, package) = contender switch
        {
            Contender.RocksDb => (RocksNative.Library, "librocksdb7.8"),
            Contender.Lmdb => (LmdbNative.Library, "liblmdb0"),
            _ => (SqliteNative.Library, "libsqlite3-0"),
        };
        if (NativeLibrary.TryLoad(library, out _))
        {
            return true;
        }

        Console.WriteLine(
            $"{NameOf(contender)} is left out: {library} is not here; it is in the Debian package {package}.");
        return false;
    }
}
