using Ledger.Rpc.V1;
using Ledger.Server.Gateway;
using Xunit;

namespace Ledger.Tests.Server;

public sealed class RouteMatchTests
{
    [Theory]
    [InlineData("GET", "/v1/streams/a/entries", "Read", "a")]
    [InlineData("POST", "/v1/streams/a/entries", "Append", "a")]
    [InlineData("GET", "/v1/streams/a/entries:count", "Count", "a")]
    [InlineData("GET", "/v1/streams/a%2Fb%3Astat:stat?x=/y:z", "Stat", "a/b:stat")]
    [InlineData("GET", "/v1/streams/a:b:stat", "Stat", "a:b")]
    [InlineData("POST", "/v1/streams/%252F:rename", "RenameStream", "%2F")]
    [InlineData("GET", "/v1/streams/../entries", "Read", "..")]
    [InlineData("GET", "/v1/streams/%2e%2E/entries", "Read", "..")]
    [InlineData("GET", "/v1/streams/a+b%20c/entries", "Read", "a+b c")]
    [InlineData("GET", "/v1/streams/%C3%A9/entries", "Read", "é")]
    [InlineData("POST", "/v1/streams//entries:search", "Search", "")]
    [InlineData("PUT", "/v1/streams/a/entries/1%2F2/tags", "SetTags", "a")]
    [InlineData("PATCH", "/v1/streams/a/entries/1/annotations", "SetAnnotations", "a")]
    [InlineData("GET", "/v1/streams/a/entries:subscribe?after=1", "Subscribe", "a")]
    public void A_target_is_split_before_it_is_decoded_once(string method, string target, string name, string stream)
    {
        var match = RouteMatch.Find(method, target, out var isKnown)!;

        Assert.Equal((name, true), (match.Route.Name, isKnown));
        Assert.Equal(stream, match.Fields.GetValueOrDefault("stream") ?? match.Fields["name"]);
    }

    [Theory]
    [InlineData("GET", "/v1/streams/a/b/entries", false)]
    [InlineData("GET", "/v1/streams/a", false)]
    [InlineData("GET", "/v1/streams/", false)]
    [InlineData("GET", "/V1/streams", false)]
    [InlineData("GET", "/v1/streams/a/entries:Count", false)]
    [InlineData("GET", "/v1/streams/a/entries%3Acount", false)]
    [InlineData("GET", "http://host/v1/streams", false)]
    [InlineData("GET", "*", false)]
    [InlineData("DELETE", "/v1/streams/a/entries", true)]
    [InlineData("POST", "/v1/health", true)]
    public void What_is_no_route_is_not_found_and_a_wrong_method_is_told_apart(
        string method, string target, bool isKnown)
    {
        var match = RouteMatch.Find(method, target, out var known);

        Assert.Equal((null, isKnown), (match, known));
    }

    [Theory]
    [InlineData("/v1/streams/%/entries")]
    [InlineData("/v1/streams/%4/entries")]
    [InlineData("/v1/streams/%zz/entries")]
    [InlineData("/v1/streams/%ff/entries")]
    public void A_name_that_is_not_percent_encoded_text_is_the_callers_mistake(string target)
    {
        Assert.Throws<ArgumentException>(() => RouteMatch.Find("GET", target, out _));
    }

    [Fact]
    public void A_query_names_fields_in_either_case_and_keys_of_maps_in_brackets()
    {
        var request = new ReadRequest();

        foreach (var (name, value) in new[]
        {
            ("options.after", "7"), ("options.limit", "3"), ("options.desc", "true"), ("options.orderKey", "o"),
            ("options.all_tags", "a"), ("options.allTags", "b"), ("options.metadata_filters[k.x]", "v=w"),
            ("options.annotationFilters[]", "e"), ("options.createdFrom", "2026-01-31T12:00:00Z"),
            ("unknown", "x"), ("options.unknown", "x"), ("options", "x"), ("stream.x", "x"), ("options.after[x]", "y"),
        })
        {
            QueryFields.Set(request, name, value);
        }

        Assert.Equal(
            """
            { "options": { "after": "7", "limit": "3", "desc": true, "orderKey": "o", "allTags": [ "a", "b" ],
            """.TrimEnd() + " \"metadataFilters\": { \"k.x\": \"v=w\" }, \"annotationFilters\": { \"\": \"e\" }, " +
            "\"createdFrom\": \"2026-01-31T12:00:00Z\" } }",
            request.ToString());
        Assert.Throws<ArgumentException>(() => QueryFields.Set(request, "options.limit", "many"));
        Assert.Throws<ArgumentException>(() => QueryFields.Set(request, "options.desc", "yes"));
    }
}
