using Ledger.Objects;
using Xunit;

namespace Ledger.Conformance;

/// <summary>Rows: set, overwritten, deleted one by one and in ranges, scanned.</summary>
public abstract partial class ObjectStoreConformance
{
    [Fact]
    public async Task Rows_are_set_overwritten_and_deleted()
    {
        await using var store = await OpenAsync();
        await CommitRowsAsync(store, ("a", "1"), ("b", "1"), ("c", ""));
        await CommitRowsAsync(store, ("a", "2"));
        await using var lease = store.BeginWrite();

        lease.DeleteRow(Bytes("b"));
        lease.DeleteRow(Bytes("there is none"));
        await lease.CommitAsync(Durability.Flushed, default);

        await AssertRowAsync(store, "a", "2");
        await AssertRowAsync(store, "b", null);
        await AssertRowAsync(store, "c", "");
        Assert.Equal(["a=2", "c="], await ScanAsync(store, ""));
        await CommitRowsAsync(store, ("b", "3"));
        await AssertRowAsync(store, "b", "3");
    }

    [Fact]
    public async Task Rows_are_seen_by_nobody_before_their_commit()
    {
        await using var store = await OpenAsync();
        await using var lease = store.BeginWrite();
        lease.SetRow(Bytes("a"), Bytes("1"));
        await lease.WriteAheadAsync(default);

        await AssertRowAsync(store, "a", null);
        Assert.Empty(await ScanAsync(store, ""));
        await lease.CommitAsync(Durability.Flushed, default);
        await AssertRowAsync(store, "a", "1");
    }

    [Fact]
    public async Task Later_operations_of_a_commit_win_over_earlier_ones()
    {
        await using var store = await OpenAsync();
        await CommitRowsAsync(store, ("a", "old"), ("b", "old"), ("c", "old"), ("d", "old"));
        await using var lease = store.BeginWrite();

        lease.SetRow(Bytes("a"), Bytes("1"));
        lease.SetRow(Bytes("a"), Bytes("2"));
        lease.SetRow(Bytes("b"), Bytes("1"));
        lease.DeleteRow(Bytes("b"));
        lease.DeleteRow(Bytes("c"));
        lease.SetRow(Bytes("c"), Bytes("1"));
        lease.SetRow(Bytes("e"), Bytes("1"));
        lease.DeleteRows(Bytes("d"), Bytes("g"));
        lease.SetRow(Bytes("f"), Bytes("1"));
        await lease.CommitAsync(Durability.Flushed, default);

        Assert.Equal(["a=2", "c=1", "f=1"], await ScanAsync(store, ""));
        foreach (var (key, value) in new[] { ("b", null), ("d", null), ("e", null), ("f", "1") })
        {
            await AssertRowAsync(store, key, value);
        }
    }

    [Theory]
    [InlineData("b", "d", "a aa d")]
    [InlineData("a", "b", "b c d")]
    [InlineData("aa", "c", "a c d")]
    [InlineData("a0", "aa", "a aa b c d")]
    [InlineData("d", "d", "a aa b c d")]
    [InlineData("d", "a", "a aa b c d")]
    [InlineData("\0", "zzz", "")]
    public async Task A_range_is_deleted_with_its_start_and_without_its_end(string from, string to, string expected)
    {
        await using var store = await OpenAsync();
        await CommitRowsAsync(store, ("a", "1"), ("aa", "1"), ("b", "1"), ("c", "1"), ("d", "1"));
        await using var lease = store.BeginWrite();

        lease.DeleteRows(Bytes(from), Bytes(to));
        await lease.CommitAsync(Durability.Flushed, default);

        Assert.Equal(expected, string.Join(' ', (await ScanAsync(store, "")).Select(row => row[..^2])));
        foreach (var key in new[] { "a", "aa", "b", "c", "d" })
        {
            await AssertRowAsync(store, key, expected.Split(' ').Contains(key) ? "1" : null);
        }
    }

    [Fact]
    public async Task Scans_take_the_rows_with_the_prefix_in_the_order_of_unsigned_bytes()
    {
        await using var store = await OpenAsync();
        byte[][] keys =
        [
            [0], [0, 0], [1], [0x7F], [0x80], [0x80, 0], [0x80, 0xFF], [0xFF], [0xFF, 0xFF], [0xFF, 0xFF, 1],
        ];
        await using (var lease = store.BeginWrite())
        {
            foreach (var key in keys.Reverse())
            {
                lease.SetRow(key, key);
            }

            await lease.CommitAsync(Durability.Flushed, default);
        }

        foreach (byte[] prefix in new byte[][] { [], [0], [2], [0x80], [0xFF], [0xFF, 0xFF], [0xFF, 0xFF, 0xFF] })
        {
            var actual = new List<byte[]>();
            await foreach (var row in store.ScanRowsAsync(prefix, default))
            {
                Assert.Equal(row.Key.ToArray(), row.Value.ToArray());
                actual.Add(row.Key.ToArray());
            }

            Assert.Equal(keys.Where(key => key.AsSpan().StartsWith(prefix)), actual);
        }
    }

    [Fact]
    public async Task A_scan_shows_the_rows_as_they_were_when_it_began()
    {
        await using var store = await OpenAsync();
        await CommitRowsAsync(store, [.. Enumerable.Range(0, 100).Select(i => ($"k{i:d3}", "old"))]);
        await using var scan = store.ScanRowsAsync(Bytes("k"), default).GetAsyncEnumerator();
        Assert.True(await scan.MoveNextAsync());

        await CommitRowsAsync(store, ("k000a", "new"), ("k050", "new"), ("k999", "new"));
        await using (var lease = store.BeginWrite())
        {
            lease.DeleteRows(Bytes("k010"), Bytes("k020"));
            await lease.CommitAsync(Durability.Flushed, default);
        }

        var count = 1;
        while (await scan.MoveNextAsync())
        {
            Assert.Equal($"k{count:d3}", System.Text.Encoding.UTF8.GetString(scan.Current.Key.Span));
            Assert.Equal("old", System.Text.Encoding.UTF8.GetString(scan.Current.Value.Span));
            count++;
        }

        Assert.Equal(100, count);
        Assert.Equal(100 + 2 - 10, (await ScanAsync(store, "k")).Count);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Random_commits_leave_the_rows_that_a_sorted_dictionary_would_hold(int seed)
    {
        var random = new Random(seed);
        var model = new SortedDictionary<string, string>(StringComparer.Ordinal);
        var store = await OpenAsync();
        for (var commit = 0; commit < 200; commit++)
        {
            await using (var lease = store.BeginWrite())
            {
                for (var operation = random.Next(12); operation >= 0; operation--)
                {
                    ChangeRows(lease, model, random);
                }

                await lease.CommitAsync(commit % 10 == 0 ? Durability.Flushed : Durability.Buffered, default);
            }

            if (commit % 50 == 49)
            {
                store = await ReopenAsync(store);
            }

            var prefix = commit % 3 == 0 ? "" : $"{random.Next(10)}";
            var expected = model.Where(row => row.Key.StartsWith(prefix, StringComparison.Ordinal));
            var actual = await ScanAsync(store, prefix);
            var lines = expected.Select(row => $"{row.Key}={row.Value}");
            Assert.True(lines.SequenceEqual(actual), $"seed {seed}, commit {commit}");
        }

        await store.DisposeAsync();
    }

    private static void ChangeRows(IObjectWriter lease, SortedDictionary<string, string> model, Random random)
    {
        var key = $"{random.Next(1_000):d3}"[..random.Next(1, 4)];
        switch (random.Next(10))
        {
            case < 6:
                var value = $"{random.Next()}";
                lease.SetRow(Bytes(key), Bytes(value));
                model[key] = value;
                break;
            case < 9:
                lease.DeleteRow(Bytes(key));
                model.Remove(key);
                break;
            default:
                var end = $"{random.Next(1_000):d3}"[..random.Next(1, 4)];
                lease.DeleteRows(Bytes(key), Bytes(end));
                foreach (var gone in model.Keys.Where(each =>
                    string.CompareOrdinal(each, key) >= 0 && string.CompareOrdinal(each, end) < 0).ToArray())
                {
                    model.Remove(gone);
                }

                break;
        }
    }
}
