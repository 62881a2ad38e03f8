using System.Text;
using Ledger.Streams;
using Ledger.Streams.Sqlite;

namespace Ledger.EndToEnd.Streams;

/// <summary>One of two processes that do what the kit's concurrent tests do, on one file.</summary>
internal static class RaceChild
{
    /// <summary>Keys that every process appends.</summary>
    public const int Keys = 100;

    /// <summary>Appends of each process that are on condition of the end.</summary>
    public const int Links = 60;

    /// <summary>Annotations that each process sets.</summary>
    public const int Annotations = 32;

    /// <summary>The entry that is annotated.</summary>
    public static EntryId Annotated { get; } = EntryId.Of(1);

    /// <summary>Races, then says for each key which entry has it and whether this process wrote it.</summary>
    /// <param name="arguments">The file, and the process's name, of which the order of its keys comes.</param>
    public static async Task<int> RunAsync(string[] arguments)
    {
        var (path, name) = (arguments[0], arguments[1]);
        await using var store = new SqliteStreamStore(new()
        {
            DataSource = path,
            Store = "events",
            WriteTimeout = TimeSpan.FromSeconds(30),
        });
        await store.EnsureCreatedAsync();
        Console.WriteLine("ready");
        await Console.In.ReadLineAsync();
        var keys = KeysAsync(store, name);
        await Task.WhenAll(keys, LinkAsync(store, name), AnnotateAsync(store, name), FollowAsync(store));
        foreach (var line in await keys)
        {
            Console.WriteLine(line);
        }

        return 0;
    }

    private static async Task<List<string>> KeysAsync(SqliteStreamStore store, string name)
    {
        var order = Enumerable.Range(0, Keys).ToArray();
        new Random(name.Length).Shuffle(order);
        var lines = new List<string>();
        foreach (var key in order)
        {
            var result = await store.AppendAsync("keys", Text(name, $"k{key}"));
            lines.Add($"k{key} {result.Entries[0].Id} {result.Entries[0].IsDuplicate}");
        }

        return lines;
    }

    /// <summary>Each entry names the one that it was appended after.</summary>
    private static async Task LinkAsync(SqliteStreamStore store, string name)
    {
        for (var written = 0; written < Links;)
        {
            var end = (await store.GetInfoAsync("links"))?.End ?? default;
            try
            {
                await store.AppendAsync(
                    "links", Text($"{name} {end}"), end.IsNone ? ExpectedEnd.New : ExpectedEnd.At(end));
                written++;
            }
            catch (StreamConflictException)
            {
                // The other process was first: read the end again.
            }
        }
    }

    private static async Task AnnotateAsync(SqliteStreamStore store, string name)
    {
        for (var index = 0; index < Annotations; index++)
        {
            await store.SetAnnotationsAsync(
                "annotated", Annotated, new Dictionary<string, string?> { [$"{name}{index}"] = name });
        }
    }

    /// <summary>Follows by a cursor until all that both write is there; a skip or a repetition ends it.</summary>
    private static async Task FollowAsync(SqliteStreamStore store)
    {
        const long Last = 1 + Keys + (2 * Links);
        var position = 0L;
        await foreach (var item in store.SubscribeAllAsync())
        {
            if (item is EntryItem<Entry> { Entry: var entry })
            {
                position++;
                if (entry.Position!.Value.Value != position)
                {
                    throw new InvalidDataException(
                        $"After position {position - 1} came {entry.Position}.");
                }

                if (position == Last)
                {
                    return;
                }
            }
        }
    }

    private static NewEntry Text(string text, string? key = null) =>
        new(Encoding.ASCII.GetBytes(text)) { DedupKey = key };
}
