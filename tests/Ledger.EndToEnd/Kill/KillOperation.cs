using Ledger.Objects;
using Ledger.Pages;

namespace Ledger.EndToEnd.Kill;

/// <summary>
/// One write of the kill suite, a function of seed, writer and number: parent and child know it without talking. Doing
/// one twice is doing it once.
/// </summary>
/// <param name="Clears">Every key is removed first.</param>
/// <param name="Changes">Keys and their new values; null removes.</param>
/// <param name="Durability">How it is written.</param>
internal sealed record KillOperation(
    bool Clears, IReadOnlyList<KeyValuePair<string, byte[]?>> Changes, Durability Durability)
{
    /// <summary>Single puts and deletes, transactions, and streamed values: each on a page of its own.</summary>
    public const int Writers = 3;

    private const int GroupSize = 12;

    /// <summary>The page of a writer.</summary>
    public static PageId PageOf(int writer)
    {
        Span<byte> id = stackalloc byte[PageId.SizeBytes];
        id.Clear();
        id[^1] = (byte)(writer + 1);
        return new PageId(id);
    }

    /// <summary>The write with a number.</summary>
    public static KillOperation Of(int seed, int writer, int number)
    {
        var random = new Random(unchecked((seed * 31 + writer) * 1_000_003 + number));
        var durability = random.Next(8) == 0 ? Durability.Buffered : Durability.Flushed;
        switch (writer)
        {
            case 0:
                var size = random.Next(20) == 0 ? random.Next(20_000) : random.Next(300);
                return random.Next(50) == 0
                    ? new KillOperation(true, [], durability)
                    : new KillOperation(
                        false,
                        [new($"p{random.Next(64)}", random.Next(6) == 0 ? null : Content(random, size))], durability);
            case 1:
                // All keys of a group always have the same value: half a transaction shows.
                var group = random.Next(5);
                var value = random.Next(10) == 0 ? null : BitConverter.GetBytes(number);
                return new KillOperation(
                    random.Next(12) == 0,
                    [.. Enumerable.Range(0, GroupSize).Select(i => KeyValuePair.Create($"g{group}/{i}", value))],
                    durability);
            default:
                return new KillOperation(
                    false, [new($"l{random.Next(6)}", Content(random, random.Next(1000, 300_000)))], durability);
        }
    }

    /// <summary>Does it in the model.</summary>
    public void ApplyTo(SortedDictionary<string, byte[]> model)
    {
        if (Clears)
        {
            model.Clear();
        }

        foreach (var (key, value) in Changes)
        {
            if (value is null)
            {
                model.Remove(key);
            }
            else
            {
                model[key] = value;
            }
        }
    }

    private static byte[] Content(Random random, int sizeBytes)
    {
        var content = new byte[sizeBytes];
        random.NextBytes(content);
        return content;
    }
}
