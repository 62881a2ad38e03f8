using System.Runtime.InteropServices;

namespace Ledger.Benchmarks.Stores;

/// <summary>A span of memory as LMDB takes and gives it.</summary>
internal unsafe struct LmdbValue
{
    public nuint SizeBytes;
    public byte* Data;
}

/// <summary>The few calls of liblmdb that the comparison needs.</summary>
internal static unsafe partial class LmdbNative
{
    public const string Library = "liblmdb.so.0";
    public const int NotFound = -30798;
    public const uint ReadOnly = 0x20000;
    public const uint ReadersNotTiedToThreads = 0x200000;
    public const uint MakeDatabase = 0x40000;
    public const int First = 0;
    public const int Last = 6;
    public const int Next = 8;
    public const int Previous = 12;
    public const int SetRange = 17;

    /// <summary>Throws what the library says of an error.</summary>
    public static void Check(int status)
    {
        if (status != 0)
        {
            throw new InvalidOperationException(
                $"LMDB answered {status}: {Marshal.PtrToStringUTF8(ErrorMessage(status))}.");
        }
    }

    [LibraryImport(Library, EntryPoint = "mdb_env_create")]
    public static partial int Create(out nint environment);

    [LibraryImport(Library, EntryPoint = "mdb_env_set_mapsize")]
    public static partial int SetMapSize(nint environment, nuint sizeBytes);

    [LibraryImport(Library, EntryPoint = "mdb_env_set_maxreaders")]
    public static partial int SetReadersMax(nint environment, uint readers);

    [LibraryImport(Library, EntryPoint = "mdb_env_open", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(nint environment, string path, uint flags, uint mode);

    [LibraryImport(Library, EntryPoint = "mdb_env_close")]
    public static partial void Close(nint environment);

    [LibraryImport(Library, EntryPoint = "mdb_txn_begin")]
    public static partial int Begin(nint environment, nint parent, uint flags, out nint transaction);

    [LibraryImport(Library, EntryPoint = "mdb_txn_commit")]
    public static partial int Commit(nint transaction);

    [LibraryImport(Library, EntryPoint = "mdb_txn_abort")]
    public static partial void Abort(nint transaction);

    [LibraryImport(Library, EntryPoint = "mdb_txn_reset")]
    public static partial void Reset(nint transaction);

    [LibraryImport(Library, EntryPoint = "mdb_txn_renew")]
    public static partial int Renew(nint transaction);

    [LibraryImport(Library, EntryPoint = "mdb_dbi_open")]
    public static partial int OpenDatabase(nint transaction, nint name, uint flags, out uint database);

    [LibraryImport(Library, EntryPoint = "mdb_put")]
    public static partial int Put(nint transaction, uint database, LmdbValue* key, LmdbValue* value, uint flags);

    [LibraryImport(Library, EntryPoint = "mdb_get")]
    public static partial int Get(nint transaction, uint database, LmdbValue* key, LmdbValue* value);

    [LibraryImport(Library, EntryPoint = "mdb_cursor_open")]
    public static partial int OpenCursor(nint transaction, uint database, out nint cursor);

    [LibraryImport(Library, EntryPoint = "mdb_cursor_get")]
    public static partial int Move(nint cursor, LmdbValue* key, LmdbValue* value, int operation);

    [LibraryImport(Library, EntryPoint = "mdb_cursor_close")]
    public static partial void CloseCursor(nint cursor);

    [LibraryImport(Library, EntryPoint = "mdb_strerror")]
    private static partial nint ErrorMessage(int status);
}
