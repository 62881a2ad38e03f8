using System.Globalization;
using System.Text;
using Ledger.Commits;
using Ledger.Conformance;
using Ledger.Pages;
using Ledger.Pages.Merging;
using Xunit;

namespace Ledger.Tests.Pages.Merging;

/// <summary>Copies that exchange commits in any order end with the same head.</summary>
public sealed class MergeAgreementTests
{
    [Fact]
    public Task Last_one_wins_agrees() => CheckAsync(() => MergeSettings.Default);

    [Fact]
    public Task Automatic_merging_with_a_fallback_agrees() => CheckAsync(
        () => MergeSettings.Create(MergePolicy.AutomaticWithFallback, NewMean(), null));

    [Fact]
    public Task A_resolver_that_is_neither_associative_nor_commutative_agrees() => CheckAsync(
        () => MergeSettings.Create(MergePolicy.Custom, NewMean(), null));

    private static async Task CheckAsync(Func<MergeSettings> newSettings)
    {
        for (var seed = 0; seed < 20; seed++)
        {
            var settings = newSettings();
            var random = new Random(seed);
            await using var world = await MergeWorld.CreateAsync();
            var copies = Enumerable.Range(0, 4).Select(_ => new List<Commit> { Commit.Genesis }).ToList();
            for (var step = 0; step < 40; step++)
            {
                var heads = copies[random.Next(copies.Count)];
                switch (random.Next(3))
                {
                    case 0:
                        var number = random.Next(heads.Count);
                        heads[number] = await world.EditAsync(
                            heads[number], copies.IndexOf(heads), (ulong)random.Next(20),
                            new Dictionary<string, string?>
                            {
                                [$"{random.Next(3)}"] = random.Next(100).ToString(CultureInfo.InvariantCulture),
                            });
                        break;
                    case 1:
                        await ReceiveAsync(world, heads, copies[random.Next(copies.Count)]);
                        break;
                    default:
                        await MergeOldestAsync(world, heads, settings);
                        break;
                }
            }

            await SettleAsync(world, copies, settings);

            var heads2 = copies.Select(heads => Assert.Single(heads).Id).Distinct().ToList();
            Assert.True(heads2.Count == 1, $"Seed {seed}: {heads2.Count} different heads.");
        }
    }

    private static async Task SettleAsync(MergeWorld world, List<List<Commit>> copies, MergeSettings settings)
    {
        // Merging may only make heads fewer: as many merges as heads, less one, and one round of exchange more.
        for (var round = 0; round < 3; round++)
        {
            foreach (var copy in copies)
            {
                foreach (var other in copies)
                {
                    await ReceiveAsync(world, copy, other);
                }
            }

            foreach (var copy in copies)
            {
                for (var left = copy.Count - 1; left > 0; left--)
                {
                    await MergeOldestAsync(world, copy, settings);
                }

                Assert.Single(copy);
            }
        }
    }

    private static async Task ReceiveAsync(MergeWorld world, List<Commit> heads, List<Commit> others)
    {
        var all = heads.Union(others).ToList();
        heads.Clear();
        foreach (var head in all)
        {
            var isBelow = false;
            foreach (var other in all.Where(other => other != head))
            {
                isBelow |= await world.IsAncestorAsync(head, other);
            }

            if (!isBelow)
            {
                heads.Add(head);
            }
        }
    }

    private static async Task MergeOldestAsync(MergeWorld world, List<Commit> heads, MergeSettings settings)
    {
        if (heads.Count > 1)
        {
            var oldest = heads.OrderBy(head => head.Timestamp).ThenBy(head => head.Id).Take(2).ToList();
            heads.RemoveAll(oldest.Contains);
            heads.Add(await world.MergeAsync(oldest[0], oldest[1], settings));
        }
    }

    private static TestResolver NewMean() => new(async (context, token) =>
    {
        await foreach (var entry in context.GetConflictingDiffAsync(token))
        {
            var mean = ((4 * Number(entry.Left)) + Number(entry.Right)) / 3;
            var value = Encoding.UTF8.GetBytes(mean.ToString(CultureInfo.InvariantCulture));
            await context.PutAsync(entry.Key, value, cancellationToken: token);
        }
    });

    private static int Number(Entry? entry) =>
        entry?.Value is { } value ? int.Parse(value.Span, CultureInfo.InvariantCulture) : 0;
}
