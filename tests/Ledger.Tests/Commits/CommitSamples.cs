using Ledger.Commits;
using Ledger.Objects;
using Ledger.Runtime;

namespace Ledger.Tests.Commits;

/// <summary>Commits of every shape, always the same.</summary>
internal static class CommitSamples
{
    public static readonly DeviceId Device = new(UInt128.Parse("123456789012345678901234567890"));

    public static IReadOnlyDictionary<string, Commit> All { get; } = Make();

    public static ObjectId Hash(byte seed) => ObjectId.FromHash([.. Enumerable.Repeat(seed, 32)]);

    /// <summary>A commit on one parent, of which only the id and the generation are known.</summary>
    public static Commit Child(
        CommitId parent, long generation, ulong timestamp, string? message, CommitId? skip = null) =>
        Commit.Create(new CommitFields
        {
            Root = Hash((byte)generation),
            Parents = [parent],
            Generation = generation,
            Timestamp = new HybridTimestamp(timestamp),
            SkipLink = skip ?? parent,
            Author = new Authorship(Device, 1, 1_790_000_000_000, message),
        });

    private static Dictionary<string, Commit> Make()
    {
        var first = Child(Commit.Genesis.Id, 1, 0x0001_0000, null);
        var second = Child(first.Id, 2, 0x0002_0003, "Überschrift", Commit.Genesis.Id);
        var third = Child(second.Id, 3, ulong.MaxValue, new string('m', 4096));
        var merge = Commit.Create(new CommitFields
        {
            Root = Hash(77),
            Parents = [second.Id, first.Id],
            Generation = 3,
            Timestamp = second.Timestamp,
            SkipLink = second.Id,
            Author = null,
        });
        var wide = Commit.Create(new CommitFields
        {
            Root = Hash(78),
            Parents = [.. Enumerable.Range(1, 16).Select(number => new CommitId(Hash((byte)(17 - number))))],
            Generation = Commit.GenerationMax - 2,
            Timestamp = new HybridTimestamp(5),
            SkipLink = new CommitId(Hash(99)),
            Author = new Authorship(new DeviceId(UInt128.MaxValue), uint.MaxValue, Authorship.WallClockMsMax, "x"),
        });
        return new Dictionary<string, Commit>
        {
            ["genesis"] = Commit.Genesis,
            ["first"] = first,
            ["second, with a message"] = second,
            ["third, with the longest message"] = third,
            ["automatic merge"] = merge,
            ["authored merge with the most parents"] = wide,
        };
    }
}
