using Ledger.Runtime;
using Ledger.Server.Hooks;
using Ledger.Streams.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ledger.EndToEnd.Hooks;

/// <summary>A process that delivers the hooks of a SQLite file until it is killed.</summary>
internal static class HookChild
{
    /// <summary>A window that a test can count: so many entries may be out when it is killed.</summary>
    public static HookPlan Plan { get; } = new()
    {
        Lease = TimeSpan.FromSeconds(1),
        Concurrency = 4,
        BatchEntriesMax = 5,
        BackoffMin = TimeSpan.FromMilliseconds(5),
        BackoffMax = TimeSpan.FromMilliseconds(50),
    };

    /// <summary>Runs until it is killed.</summary>
    /// <param name="arguments">The file, the endpoint, and one where nobody listens.</param>
    public static async Task<int> RunAsync(string[] arguments)
    {
        await using var store = new SqliteStreamStore(new()
        {
            DataSource = arguments[0],
            Store = "orders",
            WriteTimeout = TimeSpan.FromSeconds(30),
        });
        await using var host = new HookHost(
            (_, _) => new(new HookStore(store)), LedgerRuntime.CreateSystem(), NullLogger.Instance, plan: Plan);
        await host.ReplaceAsync([Hook("live", arguments[1]), Hook("dead", arguments[2])]);
        await Console.In.ReadLineAsync();
        return 0;
    }

    private static HookOptions Hook(string name, string url) => new()
    {
        Name = name,
        Store = "orders",
        Url = new Uri(url),
        Secret = "secret",
        AllowPrivate = true,
        MaxRetries = 100,
    };
}
