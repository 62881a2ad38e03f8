using System.Diagnostics;
using System.Globalization;
using System.Text;
using Ledger.Streams;
using Ledger.Streams.Consumers;
using Ledger.Streams.Sqlite;

namespace Ledger.EndToEnd.Streams;

/// <summary>
/// An instance of a consumer: what its handler does is an entry of another store, so that the order of effects over all
/// instances is known.
/// </summary>
internal static class ConsumerChild
{
    /// <summary>The consumer.</summary>
    public const string Consumer = "worker";

    /// <summary>How every instance works.</summary>
    public static ConsumerOptions Options { get; } = new()
    {
        LeaseDuration = TimeSpan.FromSeconds(1),
        AttemptsMax = 10,
        Concurrency = 4,
        RetryDelayMin = TimeSpan.FromMilliseconds(10),
        RetryDelayMax = TimeSpan.FromMilliseconds(50),
    };

    /// <summary>Runs until it is killed, or does one entry by hand.</summary>
    /// <param name="arguments">
    /// The file and the instance's name; with <c>hold</c> or <c>fail</c> it receives one entry, says so, waits for a
    /// line, and acknowledges it or says that it failed; with <c>die</c> it receives two, acknowledges the first, and
    /// kills itself.
    /// </param>
    public static async Task<int> RunAsync(string[] arguments)
    {
        await using var work = Open(arguments[0], "work");
        await using var effects = Open(arguments[0], "effects");
        if (arguments is [_, _, "die"])
        {
            await DieAsync(work);
        }

        if (arguments is [_, _, var mode])
        {
            await HoldAsync(work, mode);
            return 0;
        }

        await work.ConsumeAsync(
            Consumer, (delivery, token) => HandleAsync(effects, arguments[1], delivery, token), Options);
        return 0;
    }

    // Whoever is paused may hold the file's lock: the others wait until it goes on.
    private static SqliteStreamStore Open(string path, string store) => new(new()
    {
        DataSource = path,
        Store = store,
        WriteTimeout = TimeSpan.FromSeconds(30),
    });

    private static async ValueTask HandleAsync(
        SqliteStreamStore effects, string instance, Delivery delivery, CancellationToken cancellationToken)
    {
        var text = Encoding.ASCII.GetString(delivery.Entry.Payload.Span);
        if (text.StartsWith("after ", StringComparison.Ordinal))
        {
            // Ends only when others have had so many effects: whoever held them up would wait for ever.
            await WaitForAsync(effects, int.Parse(text[6..], CultureInfo.InvariantCulture), cancellationToken);
        }

        var outcome = text is "poison" or "deadly" ? text : "done";
        await effects.AppendAsync(
            delivery.Entry.Stream,
            new NewEntry(Encoding.ASCII.GetBytes(
                $"{instance} {outcome} {delivery.Entry.Position} {delivery.Attempt} {delivery.Epoch}")),
            cancellationToken: CancellationToken.None);
        if (outcome == "deadly")
        {
            Environment.Exit(99);
        }

        if (outcome == "poison")
        {
            throw new InvalidDataException("Nobody can handle this.");
        }
    }

    private static async Task WaitForAsync(SqliteStreamStore effects, int count, CancellationToken cancellationToken)
    {
        var positions = new HashSet<string>();
        await foreach (var item in effects.SubscribeAllAsync(cancellationToken: cancellationToken))
        {
            if (item is EntryItem<Entry> { Entry: var entry })
            {
                positions.Add(Encoding.ASCII.GetString(entry.Payload.Span).Split(' ')[2]);
                if (positions.Count >= count)
                {
                    return;
                }
            }
        }
    }

    private static async Task DieAsync(SqliteStreamStore work)
    {
        await using var consumer = await work.AcquireConsumerAsync(Consumer, Options);
        var first = await consumer.ReceiveAsync();
        await consumer.ReceiveAsync();
        await consumer.AcknowledgeAsync(first);
        using var own = Process.GetCurrentProcess();
        own.Kill();
        await own.WaitForExitAsync();
    }

    private static async Task HoldAsync(SqliteStreamStore work, string mode)
    {
        await using var consumer = await work.AcquireConsumerAsync(Consumer, Options);
        var delivery = await consumer.ReceiveAsync();
        await SayAsync($"received {delivery.Entry.Position} {delivery.Attempt} {delivery.Epoch}");
        await Console.In.ReadLineAsync();
        try
        {
            await (mode == "hold"
                ? consumer.AcknowledgeAsync(delivery)
                : consumer.FailAsync(delivery, "It could not be done."));
            await SayAsync("accepted");
        }
        catch (LeaseLostException lost)
        {
            await SayAsync($"lost {lost.Epoch} {lost.CurrentEpoch}");
        }
    }

    private static async Task SayAsync(string line)
    {
        await using var output = Console.OpenStandardOutput();
        await output.WriteAsync(Encoding.ASCII.GetBytes(line + "\n"));
    }
}
