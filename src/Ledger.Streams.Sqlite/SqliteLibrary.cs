using System.Reflection;
using System.Runtime.InteropServices;

namespace Ledger.Streams.Sqlite;

/// <summary>Which native SQLite is used: the one that comes with the package, or the system's.</summary>
/// <remarks>
/// <c>LEDGER_SQLITE_LIBRARY=system</c> takes the system's <c>libsqlite3</c>; so does a process that sets the switch
/// <c>Ledger.Streams.Sqlite.UseSystemLibrary</c>. It is decided once, before the first connection of the process.
/// </remarks>
internal static class SqliteLibrary
{
    private static readonly Lazy<bool> IsSystem = new(Start);

    /// <summary>Loads the library, once.</summary>
    public static bool Initialize() => IsSystem.Value;

    private static bool Start()
    {
        var isSystem = Environment.GetEnvironmentVariable("LEDGER_SQLITE_LIBRARY") == "system"
            || AppContext.TryGetSwitch("Ledger.Streams.Sqlite.UseSystemLibrary", out var isOn) && isOn;
        if (isSystem)
        {
            NativeLibrary.SetDllImportResolver(typeof(SQLitePCL.SQLite3Provider_e_sqlite3).Assembly, Resolve);
        }

        SQLitePCL.Batteries_V2.Init();
        return isSystem;
    }

    private static IntPtr Resolve(string name, Assembly assembly, DllImportSearchPath? path) =>
        NativeLibrary.TryLoad("libsqlite3.so.0", assembly, path, out var handle)
            || NativeLibrary.TryLoad("sqlite3", assembly, path, out handle)
            ? handle
            : throw new DllNotFoundException("LEDGER_SQLITE_LIBRARY is 'system', and the system has no libsqlite3.");
}
