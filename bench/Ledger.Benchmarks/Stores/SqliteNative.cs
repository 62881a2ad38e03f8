using System.Runtime.InteropServices;

namespace Ledger.Benchmarks.Stores;

/// <summary>The few calls of libsqlite3 that the comparison needs.</summary>
internal static unsafe partial class SqliteNative
{
    public const string Library = "libsqlite3.so.0";
    public const int Ok = 0;
    public const int Row = 100;
    public const int Done = 101;
    private const int OpenReadWriteCreate = 0x2 | 0x4;

    /// <summary>Opens a database file, made when it is missing.</summary>
    public static nint Open(string path)
    {
        var status = OpenV2(path, out var database, OpenReadWriteCreate, 0);
        Check(status, database, Ok);
        return database;
    }

    /// <summary>Compiles one statement.</summary>
    public static nint Prepare(nint database, string sql)
    {
        Check(PrepareV2(database, sql, -1, out var statement, 0), database, Ok);
        return statement;
    }

    /// <summary>Runs a statement to its end; its rows are not looked at.</summary>
    public static void Execute(nint database, string sql)
    {
        var statement = Prepare(database, sql);
        int status;
        while ((status = Step(statement)) == Row)
        {
            // A pragma answers with a row.
        }

        _ = FinalizeStatement(statement);
        Check(status, database, Done);
    }

    /// <summary>Throws what the database says of its last error.</summary>
    public static void Check(int status, nint database, int expected)
    {
        if (status != expected)
        {
            throw new InvalidOperationException(
                $"SQLite answered {status}: {Marshal.PtrToStringUTF8(ErrorMessage(database))}.");
        }
    }

    [LibraryImport(Library, EntryPoint = "sqlite3_step")]
    public static partial int Step(nint statement);

    [LibraryImport(Library, EntryPoint = "sqlite3_reset")]
    public static partial int Reset(nint statement);

    [LibraryImport(Library, EntryPoint = "sqlite3_bind_blob")]
    public static partial int BindBlob(nint statement, int index, byte* value, int sizeBytes, nint destructor);

    [LibraryImport(Library, EntryPoint = "sqlite3_column_blob")]
    public static partial byte* ColumnBlob(nint statement, int column);

    [LibraryImport(Library, EntryPoint = "sqlite3_column_bytes")]
    public static partial int ColumnBytes(nint statement, int column);

    [LibraryImport(Library, EntryPoint = "sqlite3_column_int64")]
    public static partial long ColumnInt64(nint statement, int column);

    [LibraryImport(Library, EntryPoint = "sqlite3_finalize")]
    public static partial int FinalizeStatement(nint statement);

    [LibraryImport(Library, EntryPoint = "sqlite3_close_v2")]
    public static partial int Close(nint database);

    [LibraryImport(Library, EntryPoint = "sqlite3_open_v2", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int OpenV2(string path, out nint database, int flags, nint vfs);

    [LibraryImport(Library, EntryPoint = "sqlite3_prepare_v2", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int PrepareV2(nint database, string sql, int sizeBytes, out nint statement, nint tail);

    [LibraryImport(Library, EntryPoint = "sqlite3_errmsg")]
    private static partial nint ErrorMessage(nint database);
}
