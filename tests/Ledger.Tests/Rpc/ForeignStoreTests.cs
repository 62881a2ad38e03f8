using System.Text;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Ledger.Conformance;
using Ledger.Rpc;
using Ledger.Rpc.AdminV1;
using Ledger.Rpc.V1;
using Ledger.Runtime;
using Ledger.Server.Identities;
using Ledger.Server.Services;
using Ledger.Server.Wire;
using Ledger.Tests.Streams;
using Xunit;

namespace Ledger.Tests.Rpc;

/// <summary>Every method that there is, called by somebody whose store is another one.</summary>
public sealed class ForeignStoreTests : IAsyncLifetime
{
    private const string Canary = "canary-of-the-foreign-store";
    private const string Foreign = "foreign";
    private const string Nowhere = "nowhere";
    private const string Own = "own";
    private const string Streams = "ledger.v1.LedgerService.";
    private const string Admin = "ledger.admin.v1.AdminService.";

    private static readonly Identity Stranger = new(
        "stranger", new HashSet<string>(StringComparer.OrdinalIgnoreCase) { Own }, Rights.All);

    /// <summary>What becomes of a call: of a method that is not here nobody has thought what it may reveal.</summary>
    private static readonly Dictionary<string, Expectation> Matrix = new(StringComparer.Ordinal)
    {
        [Streams + "Append"] = Expectation.Denied,
        [Streams + "Read"] = Expectation.Denied,
        [Streams + "Count"] = Expectation.Denied,
        [Streams + "SetTags"] = Expectation.Denied,
        [Streams + "SetAnnotations"] = Expectation.Denied,
        [Streams + "Trim"] = Expectation.Denied,
        [Streams + "ListStreamIDs"] = Expectation.Denied,
        [Streams + "RenameStream"] = Expectation.Denied,
        [Streams + "Stat"] = Expectation.Denied,
        [Streams + "Search"] = Expectation.Denied,
        [Streams + "Health"] = Expectation.OfNoStore,
        [Streams + "AppendAll"] = Expectation.Denied,
        [Streams + "ReadAll"] = Expectation.Denied,
        [Streams + "Find"] = Expectation.Denied,
        [Streams + "Subscribe"] = Expectation.Denied,
        [Streams + "SubscribeAll"] = Expectation.Denied,
        [Streams + "WatchStore"] = Expectation.Denied,
        [Streams + "GetStore"] = Expectation.Denied,
        [Streams + "GetEnd"] = Expectation.Denied,
        [Streams + "Consume"] = Expectation.Denied,
        [Streams + "ListConsumers"] = Expectation.Denied,
        [Streams + "ResetConsumer"] = Expectation.Denied,
        [Streams + "ReleaseParked"] = Expectation.Denied,
        [Streams + "DropConsumer"] = Expectation.Denied,
        [Streams + "UpdateConsumer"] = Expectation.Denied,
        [Admin + "Reload"] = Expectation.Denied,
        [Admin + "ListStores"] = Expectation.Filtered,
        [Admin + "ListHooks"] = Expectation.Filtered,
        [Admin + "RetryHook"] = Expectation.NotThere,
        [Admin + "DropHook"] = Expectation.NotThere,
    };

    private World _world = null!;

    private enum Expectation
    {
        /// <summary>Refused, whatever there is.</summary>
        Denied,

        /// <summary>Answered without what is foreign.</summary>
        Filtered,

        /// <summary>What is foreign is not there.</summary>
        NotThere,

        /// <summary>Has nothing to do with stores.</summary>
        OfNoStore,
    }

    public static TheoryData<string> Names => [.. Methods.Select(method => method.FullName)];

    private static IEnumerable<MethodDescriptor> Methods =>
        LedgerReflection.Descriptor.Services.Concat(AdminReflection.Descriptor.Services)
            .SelectMany(service => service.Methods);

    public async Task InitializeAsync() => _world = await World.MakeAsync(Foreign, Own);

    public async Task DisposeAsync() => await _world.DisposeAsync();

    [Fact]
    public void Of_every_method_it_is_known_what_it_may_reveal() => Assert.Equal(
        Methods.Select(method => method.FullName).Order(StringComparer.Ordinal),
        Matrix.Keys.Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Names))]
    public async Task What_is_foreign_looks_like_what_is_not_there(string name)
    {
        var method = Methods.Single(one => one.FullName == name);
        var request = SampleMessages.Of(method.InputType);
        var before = await ForeignAsync(_world);

        var foreign = await CallAsync(method, request, Foreign, Stranger, "5M", _world);
        var absent = await CallAsync(method, request, Nowhere, Stranger, "5M", _world);
        var nobody = await CallAsync(method, request, Foreign, null, "5M", _world);

        Assert.Equal(absent.Said, foreign.Said);
        Assert.Equal(absent.Answered, foreign.Answered);
        Assert.Equal(
            Matrix[name] switch
            {
                Expectation.Denied => RpcCode.PermissionDenied,
                Expectation.NotThere => RpcCode.NotFound,
                _ => RpcCode.Ok,
            },
            foreign.Code);
        Assert.Equal(Matrix[name] == Expectation.OfNoStore ? RpcCode.Ok : RpcCode.Unauthenticated, nobody.Code);
        AssertNothingForeign(foreign);
        Assert.Equal(before, await ForeignAsync(_world));
        Assert.Empty(_world.Hooks.Released);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task In_ones_own_store_nothing_differs_whether_a_foreign_one_has_it_or_nobody(string name)
    {
        var method = Methods.Single(one => one.FullName == name);
        await using var shared = await World.MakeAsync(Foreign, Own);
        await using var alone = await World.MakeAsync(Own);
        var before = await ForeignAsync(shared);

        foreach (var request in new[] { SampleMessages.Of(method.InputType), ForeignOf(method.InputType) })
        {
            // What follows something ends with its caller's time only: when that was too short there is another.
            var isAlike = false;
            foreach (var timeout in new[] { "50m", "1S", "20S" }.TakeWhile(_ => !isAlike))
            {
                var one = await CallAsync(method, request, Own, Stranger, timeout, alone);
                var among = await CallAsync(method, request, Own, Stranger, timeout, shared);
                isAlike = one.Said == among.Said && one.Answered.AsSpan().SequenceEqual(among.Answered);
                if (!isAlike && (!method.IsServerStreaming || timeout == "20S"))
                {
                    Assert.Equal(one.Said, among.Said);
                    Assert.Equal(one.Answered, among.Answered);
                }

                AssertNothingForeign(among);
            }
        }

        Assert.Equal(before, await ForeignAsync(shared));
        Assert.Empty(shared.Hooks.Released);
    }

    [Theory]
    [InlineData("RetryHook")]
    [InlineData("DropHook")]
    public async Task A_hook_of_a_foreign_store_looks_like_one_that_is_not_there(string name)
    {
        var method = Methods.Single(one => one.FullName == Admin + name);
        async Task<MemoryExchange> AskAsync(string hook)
        {
            var request = SampleMessages.Of(method.InputType);
            method.InputType.FindFieldByName("name").Accessor.SetValue(request, hook);
            return await CallAsync(method, request, Own, Stranger, "5M", _world);
        }

        var foreign = await AskAsync(Foreign);
        var absent = await AskAsync(Nowhere);
        var own = await AskAsync(Own);

        Assert.Equal(RpcCode.NotFound, foreign.Code);
        Assert.Equal(absent.Said.Replace(Nowhere, Foreign, StringComparison.Ordinal), foreign.Said);
        Assert.Equal(RpcCode.Ok, own.Code);
        Assert.Equal([Own], _world.Hooks.Released);
    }

    private static void AssertNothingForeign(MemoryExchange exchange)
    {
        var text = exchange.Said + Encoding.Latin1.GetString(exchange.Answered);
        Assert.DoesNotContain(Canary, text, StringComparison.Ordinal);
        Assert.DoesNotContain(Foreign, text, StringComparison.Ordinal);
    }

    /// <summary>A message about what only the foreign store has.</summary>
    private static IMessage ForeignOf(MessageDescriptor type) => JsonParser.Default.Parse(
        JsonFormatter.Default.Format(SampleMessages.Of(type))
            .Replace("\"s\"", "\"f\"", StringComparison.Ordinal)
            .Replace("\"1\"", "\"2\"", StringComparison.Ordinal),
        type);

    /// <summary>All that a stranger could have changed.</summary>
    private static async Task<string> ForeignAsync(World world)
    {
        var call = ServiceFixture.Call(Foreign);
        var stores = (await world.Catalog.ListAsync()).Where(store => store != Own);
        var entries = await world.Service.ReadAllAsync(new(), call);
        var consumers = await world.Service.ListConsumersAsync(new(), call);
        return string.Join(',', stores) + entries + string.Join(',', consumers.Consumers.Select(one => one.State));
    }

    private static async Task<MemoryExchange> CallAsync(
        MethodDescriptor method, IMessage request, string store, Identity? identity, string timeout, World world)
    {
        var admin = new AdminService(world.Catalog, _ => Task.FromResult<IReadOnlyList<string>>([]), world.Hooks);
        var endpoints = new GrpcEndpoints(world.Service, admin, _ => new(identity), _ => new(true));
        var exchange = new MemoryExchange(
            $"/{method.Service.FullName}/{method.Name}", WireFixture.Frame(request), store,
            method.IsServerStreaming ? timeout : null);
        await endpoints.Server.HandleAsync(exchange, () => new(identity));
        return exchange;
    }

    /// <summary>A database of its own, which the same calls leave in the same state: its clock stands still.</summary>
    private sealed class World : IAsyncDisposable
    {
        private readonly SqliteFile _file = new();

        private World(string[] stores)
        {
            var system = LedgerRuntime.CreateSystem();
            Catalog = StoreCatalog.OfSqlite(_file.Path, runtime: new LedgerRuntime(
                system.Scheduler, new ManualTimeProvider(), new SeededRandomness(1), system.Files, system.Network));
            Service = new LedgerService(Catalog);
            Hooks = new Hooks(stores);
        }

        public StoreCatalog Catalog { get; }

        public LedgerService Service { get; }

        public Hooks Hooks { get; }

        /// <summary>Stores, of which the foreign one has more than the own one, and has it earlier.</summary>
        public static async Task<World> MakeAsync(params string[] stores)
        {
            var world = new World(stores);
            foreach (var store in stores)
            {
                foreach (var name in store == Foreign ? ["s", "f"] : new[] { "s" })
                {
                    var append = WireFixture.Append(name);
                    append.Entries[0].Payload = ByteString.CopyFromUtf8(store == Foreign ? Canary : "own");
                    (append.Entries[0].DedupKey, append.Entries[0].SourceId) = (name, name);
                    await world.Service.AppendAsync(append, ServiceFixture.Call(store));
                    if (store == Foreign)
                    {
                        await world.Service.ResetConsumerAsync(
                            new() { Name = name, Create = true }, ServiceFixture.Call(Foreign));
                    }
                }
            }

            return world;
        }

        public async ValueTask DisposeAsync()
        {
            await Catalog.DisposeAsync();
            _file.Delete();
        }
    }

    /// <summary>A hook of each store.</summary>
    private sealed class Hooks(IReadOnlyList<string> stores) : IHookAdmin
    {
        public List<string> Released { get; } = [];

        public Task<IReadOnlyList<Hook>> ListAsync(CancellationToken cancellationToken) =>
            Task.FromResult<IReadOnlyList<Hook>>(
                [.. stores.Select(store => new Hook { Name = store, Store = store })]);

        public Task<int?> ReleaseAsync(
            string hook, long? position, bool retry, CancellationToken cancellationToken)
        {
            Released.Add(hook);
            return Task.FromResult<int?>(1);
        }
    }
}
