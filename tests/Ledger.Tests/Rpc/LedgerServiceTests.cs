using Google.Protobuf;
using Ledger.Rpc;
using Ledger.Rpc.V1;
using Ledger.Server.Identities;
using Ledger.Server.Services;
using Ledger.Streams;
using Ledger.Streams.Consumers;
using Xunit;
using Entry = Ledger.Streams.Entry;

namespace Ledger.Tests.Rpc;

/// <summary>What the methods do beyond what a store does; each test has a store of its own name.</summary>
public sealed class LedgerServiceTests(ServiceFixture fixture) : IClassFixture<ServiceFixture>
{
    private LedgerService Service => fixture.Service;

    [Fact]
    public async Task An_append_without_a_version_is_of_the_first_and_duplicates_have_no_id()
    {
        var call = ServiceFixture.Call("versions");
        var request = Append("s", "\"one\"");
        request.Entries[0].DedupKey = "k";
        var first = await Service.AppendAsync(request, call);

        request.Entries.Add(Input("\"two\""));
        var second = await Service.AppendAsync(request, call);

        var read = await Service.ReadAsync(new() { Stream = "s" }, call);
        Assert.Equal([1L, 1L], read.Entries.Select(entry => entry.SchemaVersion));
        Assert.Single(second.Ids);
        Assert.Equal([true, false], second.Entries.Select(entry => entry.Duplicate));
        Assert.Equal((first.Ids[0], second.Ids[0]), (second.Entries[0].Id, second.End));
        Assert.Single((await Service.SearchAsync(new() { Query = "TWO" }, call)).Entries);
    }

    [Fact]
    public async Task Reading_an_unknown_store_is_reading_an_empty_one_and_makes_nothing()
    {
        var call = ServiceFixture.Call("never_made");

        Assert.Empty((await Service.ReadAsync(new() { Stream = "s" }, call)).Entries);
        Assert.Empty((await Service.ReadAllAsync(new(), call)).Entries);
        Assert.Empty((await Service.SearchAsync(new() { Query = "x" }, call)).Entries);
        Assert.Empty((await Service.ListStreamIDsAsync(new(), call)).StreamIds);
        Assert.Equal(0, (await Service.CountAsync(new() { Stream = "s" }, call)).Count);
        Assert.Equal(new StatResponse { Stream = "s" }, await Service.StatAsync(new() { Stream = "s" }, call));
        Assert.Equal(0, (await Service.TrimAsync(new() { Stream = "s", BeforeId = "5" }, call)).Deleted);
        Assert.Null((await Service.FindAsync(new FindRequest { Id = "1" }, call)).Entry);
        await Assert.ThrowsAsync<EntryNotFoundException>(
            () => Service.SetTagsAsync(new() { Stream = "s", Id = "1" }, call));
        await Assert.ThrowsAsync<StreamNotFoundException>(
            () => Service.RenameStreamAsync(new() { Name = "s", NewName = "t" }, call));
        Assert.Empty((await Service.AppendAsync(new() { Stream = "s" }, call)).Ids);
        await Assert.ThrowsAsync<ArgumentException>(() => Service.AppendAsync(Append("", "1"), call));

        Assert.DoesNotContain("never_made", await fixture.Catalog.ListAsync());
    }

    [Fact]
    public async Task Stores_are_made_by_appending_up_to_the_limit()
    {
        await using var catalog = StoreCatalog.OfSqlite(Path.Combine(Path.GetTempPath(), Path.GetRandomFileName()));
        catalog.StoresMax = 2;
        var service = new LedgerService(catalog);

        await service.AppendAsync(Append("s", "1"), ServiceFixture.Call("one"));
        await service.AppendAsync(Append("s", "1"), ServiceFixture.Call("two"));
        await service.AppendAsync(Append("s", "1"), ServiceFixture.Call("TWO"));
        var refused = await Assert.ThrowsAsync<RpcException>(
            () => service.AppendAsync(Append("s", "1"), ServiceFixture.Call("three")));

        Assert.Equal(RpcCode.ResourceExhausted, refused.Code);
        Assert.Equal(["one", "two"], await catalog.ListAsync());
    }

    [Fact]
    public async Task A_missing_store_header_and_a_malformed_one_are_invalid_arguments()
    {
        var missing = await Assert.ThrowsAsync<RpcException>(
            () => Service.CountAsync(new() { Stream = "s" }, ServiceFixture.Call(null)));

        Assert.Equal(RpcCode.InvalidArgument, missing.Code);
        await Assert.ThrowsAsync<ArgumentException>(
            () => Service.CountAsync(new() { Stream = "s" }, ServiceFixture.Call("a b")));
        var unknown = await Assert.ThrowsAsync<RpcException>(() => Service.CountAsync(
            new() { Stream = "s" }, new ServiceCall(null, "orders", default)));
        Assert.Equal(RpcCode.Unauthenticated, unknown.Code);
    }

    [Fact]
    public async Task An_emptied_stream_is_listed_and_its_ends_are_zero()
    {
        var call = ServiceFixture.Call("emptied");
        var appended = await Service.AppendAsync(Append("s", "1", "2"), call);
        Assert.Equal(2, (await Service.TrimAsync(new() { Stream = "s", BeforeId = appended.End }, call)).Deleted);

        var stat = await Service.StatAsync(new() { Stream = "s" }, call);

        Assert.Equal((0L, "0", "0", appended.End), (stat.Count, stat.FirstId, stat.LastId, stat.End));
        Assert.Equal(["s"], (await Service.ListStreamIDsAsync(new(), call)).StreamIds);
        Assert.Empty((await Service.ListStreamIDsAsync(new() { WithoutEmpty = true }, call)).StreamIds);
    }

    [Fact]
    public async Task Deleting_an_annotation_wins_over_setting_it()
    {
        var call = ServiceFixture.Call("annotated");
        var id = (await Service.AppendAsync(Append("s", "1"), call)).End;

        var request = new SetAnnotationsRequest { Stream = "s", Id = id, Delete = { "a" } };
        request.Set.Add("a", "1");
        request.Set.Add("b", "2");
        await Service.SetAnnotationsAsync(request, call);

        var entry = (await Service.ReadAsync(new() { Stream = "s" }, call)).Entries.Single();
        Assert.Equal(["b"], entry.Annotations.Keys);
        Assert.NotNull(entry.UpdatedAt);
    }

    [Fact]
    public async Task Pages_have_a_hundred_entries_unless_asked_otherwise_and_fit_into_4_MiB()
    {
        var call = ServiceFixture.Call("pages");
        await Service.AppendAsync(Append("many", [.. Enumerable.Range(0, 150).Select(n => $"{n}")]), call);
        var large = new AppendRequest { Stream = "large" };
        large.Entries.AddRange(Enumerable.Range(0, 7).Select(
            _ => new EntryInput { Payload = ByteString.CopyFrom(new byte[1 << 20]) }));
        await Service.AppendAsync(large, call);

        var hundred = await Service.ReadAsync(new() { Stream = "many" }, call);
        var all = await Service.ReadAsync(new() { Stream = "many", Options = new() { Limit = 1_000 } }, call);
        var ids = new List<string>();
        ReadResponse page;
        do
        {
            page = await Service.ReadAsync(
                new() { Stream = "large", Options = new() { After = ids.LastOrDefault("") } }, call);
            Assert.True(page.CalculateSize() < 4 << 20, $"{page.CalculateSize()} bytes");
            ids.AddRange(page.Entries.Select(entry => entry.Id));
        }
        while (page.More);

        Assert.Equal((100, false, 150), (hundred.Entries.Count, hundred.More, all.Entries.Count));
        Assert.Equal(7, ids.Distinct().Count());
        var back = await Service.ReadAsync(
            new() { Stream = "many", Options = new() { Desc = true, Limit = 2, After = all.Entries[9].Id } }, call);
        Assert.Equal([all.Entries[8].Id, all.Entries[7].Id], back.Entries.Select(entry => entry.Id));
    }

    [Fact]
    public async Task Large_entries_are_read_a_few_at_a_time_whoever_reads_them()
    {
        const int Count = 24;
        var payload = new byte[1 << 20];
        using var held = await fixture.Catalog.OpenAsync("large");
        var store = held.Store;
        for (var index = 0; index < Count; index += 8)
        {
            await store.AppendAsync("s", [.. Enumerable.Range(0, 8).Select(_ => new NewEntry(payload))]);
        }

        var query = new PageQuery { Stream = "s", Limit = 500 };
        var page = await store.ReadPageAsync("read", query, default);
        var rest = await store.ReadPageAsync("read", query with { After = page.Entries[^1].Id, Limit = 2 }, default);
        var last = await store.ReadPageAsync("read", query with { Descending = true, Limit = 2 }, default);
        var end = await store.ReadPageAsync("read", query with { After = last.Entries[1].Id }, default);
        await using var consumer = await store.AcquireConsumerAsync("c", new ConsumerOptions());
        var taken = await consumer.ReceiveAsync();
        using var none = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await consumer.ReceiveAsync(none.Token));

        Assert.Equal((4, false), (page.Entries.Count, page.IsLast));
        Assert.Equal((2, false), (rest.Entries.Count, rest.IsLast));
        Assert.Equal((1, true), (end.Entries.Count, end.IsLast));
        Assert.Equal(Count, await store.ReadAsync("s").CountAsync());
        Assert.Equal(
            Count, await store.SubscribeAsync("s").TakeWhile(item => item is not CaughtUpItem<Entry>)
                .OfType<EntryItem<Entry>>().CountAsync());

        // What was read ahead of the entry that is out is bounded too.
        Assert.InRange(consumer.Backlog.Pending, 1, 16);
        await consumer.AcknowledgeAsync(taken);
        Assert.Equal(2, (await consumer.ReceiveAsync()).Entry.Position.GetValueOrDefault().Value);
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(-1, false)]
    [InlineData(7, true)]
    public async Task Dead_letters_are_named_or_all_of_them_are_meant(long position, bool isAll)
    {
        var admin = new AdminService(fixture.Catalog, null, null);
        var call = ServiceFixture.Call("hooks");

        await Assert.ThrowsAsync<ArgumentException>(
            () => admin.DropHookAsync(new() { Name = "h", Position = position, All = isAll }, call));
        await Assert.ThrowsAsync<ArgumentException>(
            () => admin.RetryHookAsync(new() { Name = "h", Position = position, All = isAll }, call));
    }

    [Fact]
    public async Task Health_asks_the_database()
    {
        var call = new ServiceCall(null, null, default);
        await using var gone = StoreCatalog.OfPostgres("Host=localhost;Port=1;Timeout=1");

        Assert.Equal("ok", (await Service.HealthAsync(new(), call)).Status);
        Assert.Equal("degraded", (await new LedgerService(gone).HealthAsync(new(), call)).Status);
    }

    [Fact]
    public async Task A_store_can_be_followed_before_it_is_made()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        var call = ServiceFixture.Call("later") with { Token = limit.Token };

        var seen = new List<SubscribeResponse.ItemOneofCase>();
        await foreach (var item in Service.SubscribeAllAsync(new(), call))
        {
            seen.Add(item.ItemCase);
            if (seen.Count == 1)
            {
                await Service.AppendAsync(Append("s", "1"), call);
            }
            else
            {
                break;
            }
        }

        Assert.Equal([SubscribeResponse.ItemOneofCase.CaughtUp, SubscribeResponse.ItemOneofCase.Entry], seen);
    }

    [Fact]
    public async Task A_caller_has_the_rights_it_has_and_no_others()
    {
        var store = "rights";
        var id = (await Service.AppendAsync(Append("s", "1"), ServiceFixture.Call(store))).End;
        foreach (var right in new[] { Rights.Read, Rights.Append, Rights.Admin })
        {
            var call = ServiceFixture.Call(store, new Identity("x", new HashSet<string> { store }, right));
            foreach (var (method, needed, attempt) in Attempts("s", id))
            {
                var refused = await RefusalAsync(() => attempt(Service, call));
                Assert.True(needed == right == (refused?.Code != RpcCode.PermissionDenied), $"{method} with {right}");
            }
        }
    }

    [Fact]
    public async Task Nothing_tells_a_foreign_store_stream_or_entry_from_one_that_is_not_there()
    {
        var id = (await Service.AppendAsync(Append("s", "1"), ServiceFixture.Call("foreign"))).End;
        var own = new Identity("x", new HashSet<string>(StringComparer.OrdinalIgnoreCase) { "mine" }, Rights.All);
        await Service.AppendAsync(Append("other", "1"), ServiceFixture.Call("mine"));
        foreach (var (method, _, attempt) in Attempts("s", id))
        {
            var answers = new List<(RpcCode, string)>();
            foreach (var store in new[] { "foreign", "not_there", "no name at all", "ledger_stores" })
            {
                var refused = await RefusalAsync(() => attempt(Service, ServiceFixture.Call(store, own)));
                Assert.True(refused is not null, $"{method} in {store} succeeded");
                answers.Add((refused.Code, refused.Message));
            }

            Assert.True(answers.Distinct().Count() == 1, $"{method}: {string.Join(", ", answers)}");
            Assert.Equal(RpcCode.PermissionDenied, answers[0].Item1);

            // In its own store, what is only in the foreign one is not there either.
            var foreign = await RefusalAsync(() => attempt(Service, ServiceFixture.Call("mine", own)));
            var none = await RefusalAsync(
                () => Attempts("none", "99").Single(other => other.Method == method)
                    .Attempt(Service, ServiceFixture.Call("mine", own)));
            Assert.Equal(foreign?.Code, none?.Code);
        }
    }

    /// <summary>Every method once; those that follow are read up to their first item.</summary>
    private static (string Method, Rights Needed, Func<LedgerService, ServiceCall, Task> Attempt)[] Attempts(
        string stream, string id) =>
    [
        ("Read", Rights.Read, (service, call) => service.ReadAsync(new() { Stream = stream }, call)),
        ("Count", Rights.Read, (service, call) => service.CountAsync(new() { Stream = stream }, call)),
        ("Stat", Rights.Read, (service, call) => service.StatAsync(new() { Stream = stream }, call)),
        ("ListStreamIDs", Rights.Read, (service, call) => service.ListStreamIDsAsync(new(), call)),
        ("Search", Rights.Read, (service, call) => service.SearchAsync(new() { Query = "x" }, call)),
        ("ReadAll", Rights.Read, (service, call) => service.ReadAllAsync(new(), call)),
        ("Find", Rights.Read, (service, call) => service.FindAsync(new FindRequest { Id = id }, call)),
        ("GetStore", Rights.Read, (service, call) => service.GetStoreAsync(new(), call)),
        ("GetEnd", Rights.Read, (service, call) => service.GetEndAsync(new() { Stream = stream }, call)),
        ("WatchStore", Rights.Read, async (service, call) =>
            await service.WatchStoreAsync(new(), call).FirstAsync()),
        ("UpdateConsumer", Rights.Admin, (service, call) =>
            service.UpdateConsumerAsync(new() { Name = "c" }, call)),
        ("Subscribe", Rights.Read, async (service, call) =>
            await service.SubscribeAsync(new() { Stream = stream }, call).FirstAsync()),
        ("SubscribeAll", Rights.Read, async (service, call) =>
            await service.SubscribeAllAsync(new(), call).FirstAsync()),
        ("Append", Rights.Append, (service, call) => service.AppendAsync(new() { Stream = stream }, call)),
        ("AppendAll", Rights.Append, (service, call) => service.AppendAllAsync(
            new() { Appends = { Append("made", "x") } }, call)),
        ("SetTags", Rights.Admin, (service, call) => service.SetTagsAsync(new() { Stream = stream, Id = id }, call)),
        ("SetAnnotations", Rights.Admin, (service, call) =>
            service.SetAnnotationsAsync(new() { Stream = stream, Id = id }, call)),
        ("RenameStream", Rights.Admin, (service, call) =>
            service.RenameStreamAsync(new() { Name = stream, NewName = stream }, call)),
        ("Trim", Rights.Admin, (service, call) =>
            service.TrimAsync(new() { Stream = stream, BeforeId = "0" }, call)),
        ("ListConsumers", Rights.Admin, (service, call) => service.ListConsumersAsync(new(), call)),
        ("ResetConsumer", Rights.Admin, (service, call) =>
            service.ResetConsumerAsync(new() { Name = "c" }, call)),
        ("ReleaseParked", Rights.Admin, (service, call) =>
            service.ReleaseParkedAsync(new() { Name = "c", Position = 1 }, call)),
        ("DropConsumer", Rights.Admin, (service, call) => service.DropConsumerAsync(new() { Name = "c" }, call)),
        ("Consume", Rights.Admin, async (service, call) => await service.ConsumeAsync(
            new[] { new ConsumeRequest { Acquire = new() { Name = "c", LeaseMs = 10 } } }.ToAsyncEnumerable(), call)
            .FirstAsync()),
    ];

    private static async Task<RpcException?> RefusalAsync(Func<Task> attempt)
    {
        try
        {
            await attempt();
            return null;
        }
        catch (Exception error) when (error is not NullReferenceException)
        {
            return RpcErrors.Of(error);
        }
    }

    private static EntryInput Input(string text) => new() { Payload = ByteString.CopyFromUtf8(text) };

    private static AppendRequest Append(string stream, params string[] texts)
    {
        var request = new AppendRequest { Stream = stream };
        request.Entries.AddRange(texts.Select(Input));
        return request;
    }
}
