using Ledger.Objects;
using Xunit;

namespace Ledger.Conformance;

/// <summary>Leases: what waits, what a commit holds, who is first.</summary>
public abstract partial class ObjectStoreConformance
{
    [Fact]
    public async Task Waiting_objects_are_known_to_their_lease_alone()
    {
        await using var store = await OpenAsync();
        await using var lease = store.BeginWrite();
        await using var other = store.BeginWrite();
        var content = MakeContent(200, 1);

        var id = await lease.PutAsync(ObjectKind.Value, content, default);

        Assert.Equal(content, lease.TryGetWaiting(id)!.Value.ToArray());
        Assert.True(await lease.ContainsAsync(id, default));
        Assert.Null(await store.ReadAsync(ObjectKind.Value, id, default));
        Assert.Null(other.TryGetWaiting(id));
        Assert.False(await other.ContainsAsync(id, default));
    }

    [Fact]
    public async Task What_was_seen_waiting_stays_as_it_was_whatever_is_written_afterwards()
    {
        await using var store = await OpenAsync();
        var content = MakeContent(200, 1);
        var lease = store.BeginWrite();
        var id = await lease.PutAsync(ObjectKind.Value, content, default);
        var seen = lease.TryGetWaiting(id)!.Value;

        await lease.WriteAheadAsync(default);
        for (var number = 2; number < 6; number++)
        {
            await lease.PutAsync(ObjectKind.Value, MakeContent(200, number), default);
            await lease.CommitAsync(Durability.Buffered, default);
        }

        await lease.DisposeAsync();
        await using var other = store.BeginWrite();
        await other.PutAsync(ObjectKind.Value, MakeContent(200, 9), default);

        Assert.Equal(content, seen.ToArray());
    }

    [Fact]
    public async Task Writing_ahead_stores_objects_and_no_rows()
    {
        await using var store = await OpenAsync();
        await using var lease = store.BeginWrite();
        var content = MakeContent(200, 2);
        lease.SetRow(Bytes("a"), Bytes("1"));
        var id = await lease.PutAsync(ObjectKind.Value, content, default);

        await lease.WriteAheadAsync(default);

        Assert.Null(lease.TryGetWaiting(id));
        Assert.True(await lease.ContainsAsync(id, default));
        await AssertObjectAsync(store, ObjectKind.Value, id, content);
        await AssertRowAsync(store, "a", null);
        await lease.CommitAsync(Durability.Flushed, default);
        await AssertRowAsync(store, "a", "1");
    }

    [Fact]
    public async Task What_waits_is_dropped_with_its_lease()
    {
        var store = await OpenAsync();
        var lease = store.BeginWrite();
        var id = await lease.PutAsync(ObjectKind.Value, MakeContent(200, 3), default);
        lease.SetRow(Bytes("a"), Bytes("1"));

        await lease.DisposeAsync();

        for (var opening = 0; opening < 2; opening++)
        {
            Assert.Null(await store.ReadAsync(ObjectKind.Value, id, default));
            await AssertRowAsync(store, "a", null);
            await using (var later = store.BeginWrite())
            {
                Assert.False(await later.ContainsAsync(id, default));
            }

            store = await ReopenAsync(store);
        }

        await store.DisposeAsync();
    }

    [Fact]
    public async Task One_lease_commits_as_often_as_it_likes()
    {
        await using var store = await OpenAsync();
        await using var lease = store.BeginWrite();
        await lease.CommitAsync(Durability.Flushed, default);
        lease.SetRow(Bytes("a"), Bytes("1"));
        await lease.CommitAsync(Durability.Flushed, default);
        await CommitRowsAsync(store, ("a", "2"));

        var id = await lease.PutAsync(ObjectKind.Value, MakeContent(10, 4), default);
        await lease.CommitAsync(Durability.Buffered, default);

        await AssertRowAsync(store, "a", "2");
        Assert.Null(lease.TryGetWaiting(id));
        Assert.NotNull(await store.ReadAsync(ObjectKind.Value, id, default));
    }

    [Fact]
    public async Task Far_more_than_one_record_holds_is_written_ahead_in_one_lease()
    {
        var store = await OpenAsync();
        var contents = Enumerable.Range(0, 40).Select(i => MakeContent(256 * 1024, seed: 100 + i)).ToArray();
        var ids = new List<ObjectId>();
        await using (var lease = store.BeginWrite())
        {
            foreach (var content in contents)
            {
                ids.Add(await lease.PutAsync(ObjectKind.Value, content, default));
                Assert.True(await lease.ContainsAsync(ids[^1], default));
            }

            lease.SetRow(Bytes("done"), Bytes("yes"));
            await lease.CommitAsync(Durability.Flushed, default);
        }

        store = await ReopenAsync(store);

        await AssertRowAsync(store, "done", "yes");
        for (var i = 0; i < contents.Length; i++)
        {
            await AssertObjectAsync(store, ObjectKind.Value, ids[i], contents[i]);
        }

        await store.DisposeAsync();
    }

    [Fact]
    public async Task What_is_acknowledged_is_there_after_a_clean_reopen_whatever_its_durability()
    {
        var store = await OpenAsync();
        foreach (var durability in Enum.GetValues<Durability>())
        {
            await using var lease = store.BeginWrite();
            lease.SetRow(Bytes($"{durability}"), Bytes("yes"));
            await lease.CommitAsync(durability, default);
        }

        await store.FlushAsync(default);
        store = await ReopenAsync(store);

        await AssertRowAsync(store, nameof(Durability.Flushed), "yes");
        await AssertRowAsync(store, nameof(Durability.Buffered), "yes");
        await store.DisposeAsync();
    }

    [Fact]
    public async Task A_commit_that_was_cancelled_before_it_began_stores_nothing()
    {
        await using var store = await OpenAsync();
        await using var lease = store.BeginWrite();
        lease.SetRow(Bytes("a"), Bytes("1"));

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            lease.CommitAsync(Durability.Flushed, new CancellationToken(canceled: true)).AsTask());

        await AssertRowAsync(store, "a", null);
        await CommitRowsAsync(store, ("b", "1"));
        await AssertRowAsync(store, "b", "1");
    }

    [Fact]
    public async Task Commits_take_effect_in_the_order_in_which_they_were_called()
    {
        var store = await OpenAsync();
        for (var round = 0; round < 20; round++)
        {
            var leases = Enumerable.Range(0, 10).Select(_ => store.BeginWrite()).ToArray();
            var commits = new List<Task>();
            for (var i = 0; i < leases.Length; i++)
            {
                leases[i].SetRow(Bytes("last"), Bytes($"{round}.{i}"));
                commits.Add(leases[i].CommitAsync(Durability.Flushed, default).AsTask());
            }

            await Task.WhenAll(commits);
            await AssertRowAsync(store, "last", $"{round}.{leases.Length - 1}");
            foreach (var lease in leases)
            {
                await lease.DisposeAsync();
            }
        }

        store = await ReopenAsync(store);
        await AssertRowAsync(store, "last", "19.9");
        await store.DisposeAsync();
    }

    [Fact]
    public async Task Many_writers_at_once_lose_nothing()
    {
        const int Writers = 16;
        const int CommitsEach = 25;
        var store = await OpenAsync();

        await Task.WhenAll(Enumerable.Range(0, Writers).Select(writer => Task.Run(async () =>
        {
            for (var commit = 0; commit < CommitsEach; commit++)
            {
                await using var lease = store.BeginWrite();
                var own = await lease.PutAsync(ObjectKind.Node, MakeContent(500, (writer * 1_000) + commit), default);
                var shared = await lease.PutAsync(ObjectKind.Value, MakeContent(5_000, commit), default);
                lease.SetRow(Bytes($"{writer:d2}/{commit:d2}"), Bytes($"{own} {shared}"));
                await lease.CommitAsync(commit % 2 == 0 ? Durability.Flushed : Durability.Buffered, default);
                await AssertRowAsync(store, $"{writer:d2}/{commit:d2}", $"{own} {shared}");
            }
        })));

        for (var opening = 0; opening < 2; opening++)
        {
            Assert.Equal(Writers * CommitsEach, (await ScanAsync(store, "")).Count);
            for (var writer = 0; writer < Writers; writer++)
            {
                for (var commit = 0; commit < CommitsEach; commit++)
                {
                    var (own, shared) = (MakeContent(500, (writer * 1_000) + commit), MakeContent(5_000, commit));
                    await AssertObjectAsync(store, ObjectKind.Node, ObjectId.Of(ObjectKind.Node, own), own);
                    await AssertObjectAsync(store, ObjectKind.Value, ObjectId.Of(ObjectKind.Value, shared), shared);
                }
            }

            store = await ReopenAsync(store);
        }

        await store.DisposeAsync();
    }

    [Fact]
    public async Task A_reader_sees_all_rows_of_a_commit_or_none()
    {
        await using var store = await OpenAsync();
        await CommitRowsAsync(store, ("a", "0"), ("b", "0"), ("c", "0"));
        var writing = Task.Run(async () =>
        {
            for (var i = 1; i <= 200; i++)
            {
                await CommitRowsAsync(store, ("a", $"{i}"), ("b", $"{i}"), ("c", $"{i}"));
            }
        });

        var scans = 0;
        do
        {
            var values = (await ScanAsync(store, "")).Select(row => row[2..]).ToArray();
            Assert.Equal(3, values.Length);
            Assert.Single(values.Distinct());
            scans++;
        }
        while (!writing.IsCompleted);

        await writing;
        Assert.True(scans > 0);
        await AssertRowAsync(store, "c", "200");
    }
}
