using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.RegularExpressions;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Ledger.Objects;
using Ledger.Rpc;
using Ledger.Rpc.Client;
using Ledger.Rpc.Protocol;
using Ledger.Rpc.V1;
using Ledger.Runtime;
using Ledger.Streams;
using Ledger.Tests.Rpc;
using Ledger.Tests.Tidy;
using Xunit;

namespace Ledger.Tests.Server;

/// <summary>The table of errors in docs/wire.md, row by row, over gRPC and over HTTP of a daemon.</summary>
public sealed partial class ErrorTableTests(ErrorTableTests.Fixture daemon) : IClassFixture<ErrorTableTests.Fixture>
{
    private const string Secret = "Host=db.internal;Password=hunter2";
    private const string AnythingElse = "anything else";

    /// <summary>What a database throws, with the row of the document that says what becomes of it.</summary>
    /// <remarks>A row with several codes has them in order: the number is the place among them.</remarks>
    private static readonly (string Row, int Part, Exception Error)[] Thrown =
    [
        ("EntryNotFoundException", 0, new EntryNotFoundException("s", EntryId.Of(7))),
        ("StreamNotFoundException", 0, new StreamNotFoundException("orders", "s")),
        ("StreamExistsException", 0, new StreamExistsException("orders", "s")),
        ("StreamConflictException", 0,
            new StreamConflictException("s", Ledger.Streams.ExpectedEnd.At(EntryId.Of(3)), EntryId.Of(4))),
        ("LeaseLostException", 0, new LeaseLostException("c", 1, 2)),
        ("NotSupportedByStoreException", 0,
            new NotSupportedByStoreException("orders", StreamStoreCapabilities.FullText)),
        .. Enum.GetValues<StoreUnavailableReason>().Select(reason => (
            "StoreUnavailableException",
            reason switch
            {
                StoreUnavailableReason.DiskFull => 1,
                StoreUnavailableReason.ReadOnly => 2,
                _ => 0,
            },
            (Exception)new StoreUnavailableException(reason, Secret))),
        ("OutcomeUnknownException", 0, new OutcomeUnknownException(Secret, null)),
        ("FormatTooNewException", 0, new FormatTooNewException("The store", 2, 1)),
        ("CorruptObjectException", 0, new CorruptObjectException(Secret)),
        ("ArgumentException", 0, new ArgumentException("A limit is beyond.")),
        ("FormatException", 0, new FormatException("'x' is not the id of an entry.")),
        ("the daemon stops", 0, new ObjectDisposedException(Secret)),
        ("the caller gave up", 0, new OperationCanceledException(Secret)),
        ("its time is over", 0, new RpcException(RpcCode.DeadlineExceeded, "The caller's time is over.")),
        (AnythingElse, 0, new InvalidOperationException(Secret)),
        (AnythingElse, 0, new IOException(Secret)),
        (AnythingElse, 0, new InvariantException(Secret)),
    ];

    /// <summary>Rows that callers bring about by what they send.</summary>
    private static readonly string[] Sent = ["no or wrong credentials", "no right", "a limit is reached"];

    public static TheoryData<int> Numbers => [.. Enumerable.Range(0, Thrown.Length)];

    [Fact]
    public void Every_row_is_tried_and_every_error_that_is_tried_has_one() => Assert.Equal(
        Rows().SelectMany(row => row.Value.Select((_, part) => (row.Key, part))).Order(),
        Thrown.Select(one => (one.Row, one.Part)).Concat(Sent.Select(row => (row, 0))).Distinct().Order());

    [Fact]
    public void What_has_no_row_is_the_servers_own_fault()
    {
        var rows = Rows();
        var types = new[] { typeof(LedgerException).Assembly, typeof(RemoteLedgerException).Assembly }
            .SelectMany(assembly => assembly.GetTypes())
            .Where(type => type.IsSubclassOf(typeof(LedgerException)) && !type.IsAbstract)
            .Where(type => !rows.ContainsKey(type.Name)).ToList();

        Assert.NotEmpty(types);
        Assert.All(types, type => Assert.Equal(
            RpcCode.Internal, RpcErrors.Of((Exception)RuntimeHelpers.GetUninitializedObject(type)).Code));
    }

    [Theory]
    [MemberData(nameof(Numbers))]
    public async Task What_a_database_throws_is_what_the_table_says(int number)
    {
        var (name, part, error) = Thrown[number];
        var row = Rows()[name][part];

        var call = await CallAsync(LedgerMethods.Count, new() { Stream = "s" }, Fixture.StoreOf(number));
        var (status, body) = await daemon.SendAsync(
            "GET", "/v1/streams/s/entries:count", store: Fixture.StoreOf(number));

        AssertIs(row, call, status, body);
        Assert.DoesNotContain("hunter2", call.Message + call.Detail + body.GetRawText(), StringComparison.Ordinal);
        if (row.Kind.Length > 0)
        {
            Assert.IsType(error.GetType(), RpcErrors.ToLocal(call, "orders"));
        }
    }

    [Fact]
    public async Task Who_is_not_known_may_not_or_wants_too_much_is_told_what_the_table_says()
    {
        var rows = Rows();
        var body = """{"entries":[{"payload":"aGk="}]}""";
        var append = WireFixture.Append("s");
        await daemon.SendAsync("POST", "/v1/streams/s/entries", body, store: "first");

        foreach (var (row, key, store) in new[]
        {
            (Sent[0], "nobody's", "first"),
            (Sent[1], DaemonFixture.KeyOf("stranger"), "first"),
            (Sent[2], DaemonFixture.SharedKey, "second"),
        })
        {
            var call = await CallAsync(LedgerMethods.Append, append, store, key);
            var (status, answer) = await daemon.SendAsync("POST", "/v1/streams/s/entries", body, key, store);

            AssertIs(rows[row][0], call, status, answer);
        }
    }

    private static void AssertIs(Row row, RpcException call, int status, JsonElement body)
    {
        Assert.Equal((row.Code, row.Status), (call.Code, status));
        Assert.Equal((int)row.Code, body.GetProperty("code").GetInt32());
        Assert.EndsWith(".", call.Message, StringComparison.Ordinal);
        var fields = ErrorDetail.Descriptor.Fields.InDeclarationOrder()
            .Where(field => call.Detail is { } detail && IsSet(field, detail)).Select(field => field.Name);
        Assert.Equal(row.Fields.Order(), fields.Order());
        Assert.Equal(row.Kind, call.Detail?.Kind ?? "");
        if (row.Kind.Length == 0)
        {
            Assert.Empty(body.GetProperty("details").EnumerateArray());
            return;
        }

        var said = Assert.Single(body.GetProperty("details").EnumerateArray());
        Assert.Equal("type.googleapis.com/ledger.v1.ErrorDetail", said.GetProperty("@type").GetString());
        Assert.Equal(row.Kind, said.GetProperty("kind").GetString());
        Assert.Equal(call.Message, body.GetProperty("message").GetString());
        Assert.Equal(
            ErrorDetail.Descriptor.Fields.InDeclarationOrder().Where(field => row.Fields.Contains(field.Name))
                .Select(field => field.JsonName).Prepend("@type").Order(),
            said.EnumerateObject().Select(member => member.Name).Order());
    }

    private static bool IsSet(FieldDescriptor field, ErrorDetail detail) => field.HasPresence
        ? field.Accessor.HasValue(detail)
        : field.Accessor.GetValue(detail) switch
        {
            string text => text.Length > 0,
            long number => number != 0,
            var word => Convert.ToInt32(word, null) != 0,
        };

    private async Task<RpcException> CallAsync<TRequest, TResponse>(
        RpcMethod<TRequest, TResponse> method, TRequest request, string store,
        string key = DaemonFixture.SharedKey)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse>
    {
        using var channel = new RpcChannel(daemon.GrpcEndPoint.ToString(), new RpcChannelOptions { ApiKey = key });
        return await Assert.ThrowsAsync<RpcException>(
            () => channel.UnaryAsync(method, request, RpcCallOptions.OfStore(store), default));
    }

    /// <summary>The rows of the document by what they are about, each with its codes in order.</summary>
    private static Dictionary<string, List<Row>> Rows()
    {
        var text = File.ReadAllText(Path.Combine(SourceFile.RepositoryRoot, "docs", "wire.md"));
        var rows = new Dictionary<string, List<Row>>();
        foreach (var line in text[text.IndexOf("| exception | gRPC", StringComparison.Ordinal)..].Split('\n').Skip(2)
            .TakeWhile(line => line.StartsWith('|')))
        {
            var cells = line.Trim('|').Split('|').Select(cell => cell.Trim()).ToArray();
            var codes = cells[1].Split("; ").Select(code => Enum.Parse<RpcCode>(code.Split(' ')[0])).ToArray();
            var statuses = cells[2].Split("; ").Select(int.Parse).ToArray();
            Assert.Equal(codes.Length, statuses.Length);
            var kind = KindPattern().Match(cells[3]) is { Success: true } found ? found.Groups[1].Value : "";
            var fields = kind.Length == 0 ? [] : ParenthesesPattern().Replace(cells[3], "").Split(": ").Skip(1)
                .SelectMany(names => names.Split(',')).Select(name => name.Trim()).Append("kind").ToArray();
            var parts = codes.Zip(statuses, (code, status) => new Row(code, status, kind, fields)).ToList();
            if (cells[0].StartsWith('`'))
            {
                foreach (var name in cells[0].Split(", "))
                {
                    rows.Add(name.Trim('`'), parts);
                }
            }
            else
            {
                var names = cells[0].Split("; ");
                Assert.Equal(names.Length, parts.Count);
                for (var index = 0; index < names.Length; index++)
                {
                    rows.Add(names[index], [parts[index]]);
                }
            }
        }

        return rows;
    }

    [GeneratedRegex("^`([a-z_]+)`")]
    private static partial Regex KindPattern();

    [GeneratedRegex(@" \([^)]*\)")]
    private static partial Regex ParenthesesPattern();

    private sealed record Row(RpcCode Code, int Status, string Kind, IReadOnlyCollection<string> Fields);

    /// <summary>A daemon whose database throws, by the name of the store that is opened.</summary>
    public sealed class Fixture : DaemonFixture
    {
        private const string Failing = "failing";

        /// <summary>Whose opening fails.</summary>
        public static string StoreOf(int number) => $"{Failing}{number}";

        private protected override MemoryDatabase Database { get; } = new(
            LedgerRuntime.CreateSystem(),
            store => store.StartsWith(Failing, StringComparison.Ordinal)
                ? Task.FromException(Thrown[int.Parse(store[Failing.Length..], null)].Error) : Task.CompletedTask);

        private protected override int StoresMax => 1;
    }
}
