using System.Diagnostics;
using Ledger.Conformance.Hooks;
using Ledger.Runtime;
using Ledger.Server.Hooks;
using Ledger.Streams;
using Ledger.Streams.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ledger.Benchmarks.Stores;

/// <summary>Streams in a SQLite file, hooks on them, and the endpoint that they post to, in this process.</summary>
internal sealed class HookBackend : IAsyncDisposable
{
    private readonly SqliteStreamStore _store;
    private readonly HookHost _host;
    private readonly int _live;
    private TaskCompletionSource _reached = new();

    // Beyond reach until it is known.
    private long _expected = long.MaxValue;
    private long _before;
    private long _taken;
    private long _firstAt;

    private HookBackend(string directory, int live)
    {
        Directory.CreateDirectory(directory);
        _live = live;
        _store = Open(Path.Combine(directory, "streams.db"));
        _host = new HookHost((_, _) => new(new HookStore(_store)), LedgerRuntime.CreateSystem(), NullLogger.Instance);
        Endpoint = new HookEndpoint((request, _) =>
        {
            Interlocked.CompareExchange(ref _firstAt, Stopwatch.GetTimestamp(), 0);
            if (Interlocked.Add(ref _taken, CountOf(request.Body)) >= Volatile.Read(ref _expected))
            {
                Volatile.Read(ref _reached).TrySetResult();
            }

            return new ValueTask<string?>("200");
        });
    }

    /// <summary>The endpoint of the hooks that live.</summary>
    public HookEndpoint Endpoint { get; }

    /// <summary>Starts hooks, which wait for entries.</summary>
    public static async Task<HookBackend> StartAsync(string directory, int live, int dead)
    {
        var backend = new HookBackend(directory, live);
        await backend._store.EnsureCreatedAsync();
        await backend._host.ReplaceAsync(
        [
            .. Enumerable.Range(0, live).Select(n => Hook($"live-{n}", backend.Endpoint.Url)),
            .. Enumerable.Range(0, dead).Select(n => Hook($"dead-{n}", new Uri("http://127.0.0.1:9/"))),
        ]);
        await backend.DeliverAsync([1], count: 1);
        return backend;
    }

    /// <summary>A store in a file.</summary>
    public static SqliteStreamStore Open(string path) => new(new()
    {
        DataSource = path,
        Store = "orders",
        WriteTimeout = TimeSpan.FromSeconds(30),
    });

    /// <summary>A hook to an endpoint on this machine.</summary>
    public static HookOptions Hook(string name, Uri url) => new()
    {
        Name = name,
        Store = "orders",
        Url = url,
        Secret = "a secret of some length",
        AllowPrivate = true,
    };

    /// <summary>Entries of a request; none of the payloads here has this in it.</summary>
    public static int CountOf(ReadOnlySpan<byte> body)
    {
        var count = 0;
        for (int at; (at = body.IndexOf("\"schema_version\""u8)) >= 0; body = body[(at + 1)..])
        {
            count++;
        }

        return count;
    }

    /// <summary>An entry of 256 bytes.</summary>
    public static NewEntry Entry(int seed)
    {
        var content = new byte[256];
        content.AsSpan().Fill((byte)('a' + (seed % 26)));
        (content[0], content[^1]) = ((byte)'"', (byte)'"');
        return new NewEntry(content);
    }

    /// <summary>Appends so many entries to each of some streams, and waits until live hooks delivered them.</summary>
    /// <returns>Microseconds from the end of the last append to the first request that came.</returns>
    public async Task<double> DeliverAsync(IEnumerable<int> streams, int count)
    {
        Interlocked.Exchange(ref _firstAt, 0);
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Volatile.Write(ref _reached, reached);
        var appended = 0L;
        var callers = new ParallelOptions { MaxDegreeOfParallelism = 32 };
        await Parallel.ForEachAsync(streams, callers, async (stream, token) =>
        {
            var entries = Enumerable.Range(0, count).Select(Entry).ToList();
            await _store.AppendAsync($"s{stream}", entries, cancellationToken: token);
            Interlocked.Add(ref appended, count);
        });
        var at = Stopwatch.GetTimestamp();
        _before += appended * _live;
        Volatile.Write(ref _expected, _before);
        if (Interlocked.Read(ref _taken) >= _before)
        {
            reached.TrySetResult();
        }

        await reached.Task;
        Volatile.Write(ref _expected, long.MaxValue);
        return Math.Max(0, Stopwatch.GetElapsedTime(at, Interlocked.Read(ref _firstAt)).TotalMicroseconds);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        await _store.DisposeAsync();
        await Endpoint.DisposeAsync();
    }
}
