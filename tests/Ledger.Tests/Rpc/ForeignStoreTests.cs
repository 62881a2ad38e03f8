using System.Text;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Ledger.Rpc;
using Ledger.Rpc.AdminV1;
using Ledger.Rpc.V1;
using Ledger.Server.Identities;
using Ledger.Server.Services;
using Ledger.Server.Wire;
using Xunit;

namespace Ledger.Tests.Rpc;

/// <summary>Every method that there is, called by somebody whose store is another one.</summary>
public sealed class ForeignStoreTests(ServiceFixture fixture) : IClassFixture<ServiceFixture>, IAsyncLifetime
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

    private readonly Hooks _hooks = new();

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

    public async Task InitializeAsync()
    {
        foreach (var store in new[] { Foreign, Own })
        {
            var append = WireFixture.Append("s");
            append.Entries[0].Payload = ByteString.CopyFromUtf8(store == Foreign ? Canary : "own");
            append.Entries[0].DedupKey = "s";
            await fixture.Service.AppendAsync(append, ServiceFixture.Call(store));
        }

        await fixture.Service.ResetConsumerAsync(
            new() { Name = "s", Create = true }, ServiceFixture.Call(Foreign));
    }

    public Task DisposeAsync() => Task.CompletedTask;

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
        var before = await ForeignAsync();

        var foreign = await CallAsync(method, request, Foreign, Stranger);
        var absent = await CallAsync(method, request, Nowhere, Stranger);
        var nobody = await CallAsync(method, request, Foreign, null);

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
        Assert.Equal(before, await ForeignAsync());
        Assert.Empty(_hooks.Released);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task In_ones_own_store_foreign_streams_ids_and_consumers_are_not_found(string name)
    {
        var method = Methods.Single(one => one.FullName == name);
        var before = await ForeignAsync();

        // What follows something ends with its caller's time only.
        var own = await CallAsync(method, SampleMessages.Of(method.InputType), Own, Stranger, "50m");

        Assert.NotNull(own.Code);
        AssertNothingForeign(own);
        Assert.Equal(before, await ForeignAsync());
        Assert.Empty(_hooks.Released);
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
            return await CallAsync(method, request, Own, Stranger);
        }

        var foreign = await AskAsync(Foreign);
        var absent = await AskAsync(Nowhere);
        var own = await AskAsync(Own);

        Assert.Equal(RpcCode.NotFound, foreign.Code);
        Assert.Equal(absent.Said.Replace(Nowhere, Foreign, StringComparison.Ordinal), foreign.Said);
        Assert.Equal(RpcCode.Ok, own.Code);
        Assert.Equal([Own], _hooks.Released);
    }

    private static void AssertNothingForeign(MemoryExchange exchange)
    {
        var text = exchange.Said + Encoding.Latin1.GetString(exchange.Answered);
        Assert.DoesNotContain(Canary, text, StringComparison.Ordinal);
        Assert.DoesNotContain(Foreign, text, StringComparison.Ordinal);
    }

    /// <summary>All that a stranger could have changed.</summary>
    private async Task<string> ForeignAsync()
    {
        var call = ServiceFixture.Call(Foreign);
        var stores = await fixture.Catalog.ListAsync();
        var entries = await fixture.Service.ReadAllAsync(new(), call);
        var consumers = await fixture.Service.ListConsumersAsync(new(), call);
        return string.Join(',', stores) + entries + string.Join(',', consumers.Consumers.Select(one => one.State));
    }

    private async Task<MemoryExchange> CallAsync(
        MethodDescriptor method, IMessage request, string store, Identity? identity, string timeout = "5M")
    {
        var endpoints = new GrpcEndpoints(
            fixture.Service, new AdminService(fixture.Catalog, _ => Task.FromResult<IReadOnlyList<string>>([]), _hooks),
            _ => new(identity), _ => new(true));
        var exchange = new MemoryExchange(
            $"/{method.Service.FullName}/{method.Name}", WireFixture.Frame(request), store,
            method.IsServerStreaming ? timeout : null);
        await endpoints.Server.HandleAsync(exchange, () => new(identity));
        return exchange;
    }

    /// <summary>A hook of each store.</summary>
    private sealed class Hooks : IHookAdmin
    {
        public List<string> Released { get; } = [];

        public Task<IReadOnlyList<Hook>> ListAsync(CancellationToken cancellationToken) =>
            Task.FromResult<IReadOnlyList<Hook>>(
                [new Hook { Name = Foreign, Store = Foreign }, new Hook { Name = Own, Store = Own }]);

        public Task<int?> ReleaseAsync(
            string hook, long? position, bool retry, CancellationToken cancellationToken)
        {
            Released.Add(hook);
            return Task.FromResult<int?>(1);
        }
    }
}
