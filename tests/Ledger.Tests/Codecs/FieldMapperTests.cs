using System.Text;
using System.Text.Json.Nodes;
using Ledger.Codecs;
using Xunit;

namespace Ledger.Tests.Codecs;

/// <summary>Field by field, in the order given, and nothing else is touched.</summary>
public sealed class FieldMapperTests
{
    [Theory]
    [InlineData("""{"a":1,"b":2}""", """{"x":1,"b":2}""")]
    [InlineData("""{"b":2,"x":0,"a":9007199254740993}""", """{"b":2,"x":9007199254740993}""")]
    [InlineData("""{"a":1.10e+2}""", """{"x":1.10e+2}""")]
    [InlineData("""{"b":null}""", """{"b":null}""")]
    [InlineData("null", "null")]
    public void A_rename_keeps_the_place_and_the_digits(string before, string after) =>
        Assert.Equal(after, Apply(new FieldMapper().Rename("a", "x"), before));

    [Fact]
    public void Changes_are_done_in_their_order()
    {
        var chained = new FieldMapper().Rename("a", "b").Rename("b", "c").Default("b", 5).Remove("d")
            .Convert("n", node => JsonValue.Create(node!.GetValue<int>() * 2)).Nest("address", "street", "city");

        Assert.Equal(
            """{"c":1,"n":14,"b":5,"address":{"street":"S","city":{"x":[1]}}}""",
            Apply(chained, """{"a":1,"street":"S","city":{"x":[1]},"d":0,"n":7}"""));
        Assert.Equal(
            """{"address":{"zip":1,"city":2},"c":null,"b":5}""",
            Apply(chained, """{"address":{"zip":1},"city":2,"d":0,"b":null}"""));
    }

    [Fact]
    public void A_converted_value_may_be_a_part_of_what_was_there()
    {
        var mapper = new FieldMapper().Convert("a", node => node!["inner"]);

        Assert.Equal("""{"a":[1]}""", Apply(mapper, """{"a":{"inner":[1]}}"""));
    }

    [Theory]
    [InlineData("[1]")]
    [InlineData("1")]
    [InlineData("{\"a\":1,\"a\":2}")]
    [InlineData("{")]
    [InlineData("")]
    public void What_is_not_an_object_is_a_schema_error(string payload) =>
        Assert.Throws<SchemaException>(() => Apply(new FieldMapper().Rename("a", "x"), payload));

    private static string Apply(FieldMapper mapper, string json) =>
        Encoding.UTF8.GetString(mapper.Apply(Encoding.UTF8.GetBytes(json)).Span);
}
