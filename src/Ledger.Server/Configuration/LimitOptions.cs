namespace Ledger.Server.Configuration;

/// <summary>What one client, or all of them, may take.</summary>
internal sealed record LimitOptions
{
    /// <summary>The largest message, in bytes.</summary>
    public int MessageBytes { get; init; } = 20 << 20;

    /// <summary>Bytes of memory for large messages, all together.</summary>
    public int LargeBytes { get; init; } = 128 << 20;

    /// <summary>Stores at most.</summary>
    public int Stores { get; init; } = 1000;

    /// <summary>How long a store that nobody uses stays open.</summary>
    public TimeSpan StoreIdleTimeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Connections at the same time, on each listener.</summary>
    public int Connections { get; init; } = 2000;

    /// <summary>Calls at the same time in one connection.</summary>
    public int CallsPerConnection { get; init; } = 100;

    /// <summary>Subscriptions at the same time.</summary>
    public int Subscriptions { get; init; } = 1000;

    /// <summary>The headers of one call, in bytes.</summary>
    public int HeaderBytes { get; init; } = 32 << 10;

    /// <summary>How long a client may take to send its headers.</summary>
    public TimeSpan HeaderTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a connection may be idle.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Bytes a second that a client must send or take; 0 for any.</summary>
    public int BodyRate { get; init; } = 240;

    /// <summary>Calls a second of one key; 0 for any.</summary>
    public int CallsPerSecond { get; init; }

    /// <summary>Calls that a key may make at once beyond that.</summary>
    public int Burst { get; init; } = 100;

    /// <summary>Reads and checks the section.</summary>
    public static LimitOptions Read(ConfigurationValues values)
    {
        return new LimitOptions
        {
            MessageBytes = Number("limits.message_bytes"),
            LargeBytes = Number("limits.large_bytes"),
            Stores = Number("limits.stores"),
            StoreIdleTimeout = values.Duration("limits.store_idle_timeout"),
            Connections = Number("limits.connections"),
            CallsPerConnection = Number("limits.calls_per_connection"),
            Subscriptions = Number("limits.subscriptions"),
            HeaderBytes = Number("limits.header_bytes"),
            HeaderTimeout = values.Duration("limits.header_timeout"),
            IdleTimeout = values.Duration("limits.idle_timeout"),
            BodyRate = Number("limits.body_rate"),
            CallsPerSecond = Number("limits.calls_per_second"),
            Burst = Number("limits.burst"),
        };

        int Number(string path) => (int)values.Number(path);
    }
}
