using System.Data.Common;
using System.Net.Sockets;
using Ledger.Objects;
using Ledger.Runtime;
using Npgsql;

namespace Ledger.Streams.Postgres;

/// <summary>What the driver's errors mean.</summary>
internal static class PostgresErrors
{
    private const string IdleSessionTimeout = "57P05";
    private const string IdleInTransactionTimeout = "25P03";

    /// <summary>The error as ours; null when it says nothing of the database or the connection.</summary>
    public static LedgerException? Wrap(Exception error, string where) => error switch
    {
        PostgresException server => Wrap(server, where),
        NpgsqlException or SocketException => new StoreUnavailableException(
            StoreUnavailableReason.Unreachable, $"{where} cannot be reached.", error),
        _ => null,
    };

    /// <summary>
    /// Whether a transaction that failed before its commit may be run again: the server is away, or another
    /// transaction was in the way.
    /// </summary>
    public static bool CanRunAgain(DbException error) => error is not PostgresException server
        ? error is NpgsqlException
        : server.SqlState is PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected
            or PostgresErrorCodes.UniqueViolation or PostgresErrorCodes.LockNotAvailable || IsAway(server);

    /// <summary>Whether the server is away, as far as can be told.</summary>
    public static bool IsAway(DbException error) => error is PostgresException server
        ? server.SqlState.StartsWith("08", StringComparison.Ordinal) || server.SqlState
            is PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown
            or PostgresErrorCodes.CannotConnectNow or PostgresErrorCodes.TooManyConnections
            or IdleSessionTimeout or IdleInTransactionTimeout
        : error is NpgsqlException;

    private static StoreUnavailableException? Wrap(PostgresException error, string where)
    {
        if (IsAway(error))
        {
            return new StoreUnavailableException(
                StoreUnavailableReason.Unreachable, $"{where} takes no connections: {error.MessageText}.", error);
        }

        return error.SqlState switch
        {
            PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.QueryCanceled
                or PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected =>
                new StoreUnavailableException(
                    StoreUnavailableReason.Locked, $"In {where} another transaction is in the way.", error),
            PostgresErrorCodes.DiskFull =>
                new StoreUnavailableException(StoreUnavailableReason.DiskFull, $"{where} has no space.", error),
            PostgresErrorCodes.ReadOnlySqlTransaction => new StoreUnavailableException(
                StoreUnavailableReason.ReadOnly, $"{where} can only be read.", error),
            PostgresErrorCodes.InvalidCatalogName or PostgresErrorCodes.InvalidSchemaName =>
                new StoreUnavailableException(
                    StoreUnavailableReason.Missing, $"{where} is not there: {error.MessageText}.", error),
            PostgresErrorCodes.UndefinedTable => new StoreUnavailableException(
                StoreUnavailableReason.NotARepository, $"{where} does not have what the store needs: " +
                $"{error.MessageText}.", error),
            PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification
                or PostgresErrorCodes.InsufficientPrivilege => new StoreUnavailableException(
                    StoreUnavailableReason.Denied, $"{where} refuses: {error.MessageText}.", error),
            _ => null,
        };
    }
}
