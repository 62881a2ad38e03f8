using System.Globalization;
using System.Text.Json;
using Ledger.Commits;
using Ledger.Pages.Merging;
using Xunit;

namespace Ledger.Tests.Pages.Merging;

/// <summary>
/// The merged state is a function of the set of edits, whoever merged what, when, and in which order.
/// </summary>
public sealed class MergeOrderTests
{
    private static readonly string[] Keys = ["a", "b", "c", "d", "e"];

    [Fact]
    public Task Last_one_wins_gives_the_newest_write_of_each_key() =>
        CheckAsync(seeds: 60, steps: 50, MergeSettings.Default, EditKeys, NewestWrites);

    [Fact]
    public Task Counters_give_the_sum_of_all_edits() => CheckAsync(
        seeds: 25, steps: 40, Custom(ConflictResolvers.Counter()),
        static (edit, before) => new()
        {
            [Keys[edit % 2]] = $"{Number(before.GetValueOrDefault(Keys[edit % 2])) + (edit / 2 % 7) - 3}",
        },
        static edits => edits
            .SelectMany(edit => edit.Writes.Select(write => (
                write.Key, Delta: Number(write.Value) - Number(edit.Before.GetValueOrDefault(write.Key)))))
            .GroupBy(write => write.Key)
            .Select(group => KeyValuePair.Create(group.Key, $"{group.Sum(write => write.Delta)}")));

    [Fact]
    public Task Sets_give_what_the_newest_writer_of_each_element_says() => CheckAsync(
        seeds: 25, steps: 40, Custom(ConflictResolvers.SetUnion()),
        static (edit, before) => new() { ["set"] = JsonOf(Toggle(SetOf(before.GetValueOrDefault("set")), edit % 6)) },
        static edits =>
        {
            var merged = new SortedSet<int>();
            var isThere = false;
            foreach (var edit in edits)
            {
                var before = SetOf(edit.Before.GetValueOrDefault("set"));
                var after = SetOf(edit.Writes["set"]);
                merged.ExceptWith(before.Except(after));
                merged.UnionWith(after.Except(before));
                isThere = true;
            }

            return isThere ? [KeyValuePair.Create("set", JsonOf(merged))] : [];
        });

    [Fact]
    public Task Json_objects_give_the_newest_write_of_each_field() => CheckAsync(
        seeds: 25, steps: 40, Custom(ConflictResolvers.JsonFields()),
        static (edit, before) =>
        {
            var fields = FieldsOf(before.GetValueOrDefault("doc"));
            fields[Keys[edit % 5]] = edit / 5 % 9;
            return new() { ["doc"] = JsonOf(fields) };
        },
        static edits =>
        {
            var merged = new SortedDictionary<string, int>(StringComparer.Ordinal);
            foreach (var edit in edits)
            {
                var before = FieldsOf(edit.Before.GetValueOrDefault("doc"));
                foreach (var (name, value) in FieldsOf(edit.Writes["doc"]))
                {
                    if (!before.TryGetValue(name, out var old) || old != value)
                    {
                        merged[name] = value;
                    }
                }
            }

            return merged.Count > 0 ? [KeyValuePair.Create("doc", JsonOf(merged))] : [];
        });

    [Fact]
    public Task Maxima_that_only_rise_give_the_greatest() => CheckAsync(
        seeds: 15, steps: 40, Custom(ConflictResolvers.Maximum()),
        static (edit, before) => new()
        {
            [Keys[edit % 2]] = $"{Number(before.GetValueOrDefault(Keys[edit % 2])) + (edit / 2 % 9)}",
        },
        static edits => edits.SelectMany(edit => edit.Writes).GroupBy(write => write.Key)
            .Select(group => KeyValuePair.Create(group.Key, $"{group.Max(write => Number(write.Value))}")));

    [Fact]
    public async Task A_merge_by_writer_with_the_shortcut_is_the_one_without_it()
    {
        for (var seed = 0; seed < 30; seed++)
        {
            await using var world = await MergeWorld.CreateAsync();
            var heads = Enumerable.Repeat(Commit.Genesis, MergeHistorySteps.Devices).ToArray();
            foreach (var step in MergeHistorySteps.Make(seed, 40))
            {
                var mine = heads[step.Device];
                if (step.Other is not { } other)
                {
                    heads[step.Device] = await world.EditAsync(
                        mine, step.Device, step.Ahead, EditKeys(step.Edit, await world.ReadAsync(mine)));
                    continue;
                }

                var quickly = await world.MergeAsync(mine, heads[other]);
                var slowly = await world.MergeAsync(heads[other], mine, takesShortcut: false);
                Assert.True(quickly.Id == slowly.Id, $"Seed {seed}.");
                heads[step.Device] = quickly;
            }
        }
    }

    [Fact]
    public async Task Histories_that_cross_five_times_give_the_newest_writes()
    {
        await using var world = await MergeWorld.CreateAsync();
        var left = await world.EditAsync(Commit.Genesis, 0, 10, new Dictionary<string, string?> { ["a"] = "0" });
        var right = await world.EditAsync(Commit.Genesis, 1, 10, new Dictionary<string, string?> { ["b"] = "0" });
        for (var depth = 0; depth < 5; depth++)
        {
            var newLeft = await world.EditAsync(left, 0, 0, EditKeys(depth * 3, await world.ReadAsync(left)));
            var newRight = await world.EditAsync(right, 1, 1000, EditKeys(depth * 5, await world.ReadAsync(right)));
            (left, right) = (await world.MergeAsync(newLeft, right), await world.MergeAsync(left, newRight));
        }

        var merged = await world.MergeAsync(left, right);

        Assert.Equal(
            MergeWorld.Show(NewestWrites(world.Edits.OrderBy(edit => edit.Commit, WriterOrder.Instance))
                .OrderBy(pair => pair.Key, StringComparer.Ordinal)),
            MergeWorld.Show(await world.ReadAsync(merged)));
    }

    private static async Task CheckAsync(
        int seeds, int steps, MergeSettings settings,
        Func<int, IReadOnlyDictionary<string, string>, Dictionary<string, string?>> editOf,
        Func<IEnumerable<MadeEdit>, IEnumerable<KeyValuePair<string, string>>> modelOf)
    {
        for (var seed = 0; seed < seeds; seed++)
        {
            var history = MergeHistorySteps.Make(seed, steps);
            if (await PlayAsync(history) is { } problem)
            {
                (history, problem) = await MergeHistorySteps.ShrinkAsync(history, problem, PlayAsync);
                Assert.Fail($"Seed {seed}: {problem}. Smallest history: {MergeHistorySteps.Show(history)}.");
            }
        }

        Task<string?> PlayAsync(List<HistoryStep> history) =>
            MergeHistorySteps.PlayAsync(history, settings, editOf, modelOf);
    }

    private static MergeSettings Custom(IConflictResolver resolver) =>
        MergeSettings.Create(MergePolicy.Custom, resolver, null);

    // Few keys and few values, so that values come back; some deletes.
    private static Dictionary<string, string?> EditKeys(int edit, IReadOnlyDictionary<string, string> before)
    {
        var random = new Random(edit);
        return Keys.Where(_ => random.Next(3) == 0).ToDictionary(
            key => key, key => random.Next(5) == 0 && before.ContainsKey(key) ? null : $"{random.Next(3)}");
    }

    private static IEnumerable<KeyValuePair<string, string>> NewestWrites(IEnumerable<MadeEdit> edits)
    {
        var newest = new Dictionary<string, string?>();
        foreach (var (key, value) in edits.SelectMany(edit => edit.Writes))
        {
            newest[key] = value;
        }

        return newest.Where(pair => pair.Value is not null).Select(pair => KeyValuePair.Create(pair.Key, pair.Value!));
    }

    private static int Number(string? text) => text is null ? 0 : int.Parse(text, CultureInfo.InvariantCulture);

    private static SortedSet<int> SetOf(string? text) =>
        text is null ? [] : [.. JsonSerializer.Deserialize<int[]>(text)!];

    private static SortedSet<int> Toggle(SortedSet<int> set, int element)
    {
        if (!set.Remove(element))
        {
            set.Add(element);
        }

        return set;
    }

    private static SortedDictionary<string, int> FieldsOf(string? text) =>
        new(text is null ? [] : JsonSerializer.Deserialize<Dictionary<string, int>>(text)!, StringComparer.Ordinal);

    private static string JsonOf<T>(T value) => JsonSerializer.Serialize(value);
}
