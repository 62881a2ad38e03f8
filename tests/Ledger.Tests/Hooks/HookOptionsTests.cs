using Ledger.Server.Hooks;
using Xunit;

namespace Ledger.Tests.Hooks;

public sealed class HookOptionsTests
{
    private static readonly HookOptions Valid = new()
    {
        Name = "mail",
        Store = "orders",
        Url = new Uri("https://example.org/in"),
        Secret = "canary-one",
        SecondSecret = "canary-two",
    };

    [Fact]
    public void Hooks_with_equal_values_are_equal_and_another_value_makes_another_hook()
    {
        var same = Valid with { Url = new Uri("https://example.org/in") };

        Assert.Equal(Valid, same);
        Assert.NotEqual(Valid, Valid with { Secret = "canary-two" });
        Assert.NotEqual(Valid, Valid with { Interval = TimeSpan.FromSeconds(1) });
        Assert.NotEqual(Valid, Valid with { AllowPrivate = true });
    }

    [Fact]
    public void The_text_of_a_hook_has_no_secret_in_it()
    {
        var text = (Valid with { Url = new Uri("https://example.org/in?token=canary-three") }).ToString();

        Assert.DoesNotContain("canary", text, StringComparison.Ordinal);
        Assert.Contains("mail", text, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_wrong_with_a_hook_is_said_without_the_secret_of_its_address()
    {
        var hook = Valid with
        {
            Url = new Uri("http://example.org/in?token=canary-three"),
            AllowPrivate = true,
            InsecureSkipVerify = true,
        };

        var error = Assert.Throws<ArgumentException>(hook.Check);

        Assert.DoesNotContain("canary", error.Message, StringComparison.Ordinal);
        Assert.Contains("http://example.org/in", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ftp://example.org/")]
    [InlineData("/in")]
    [InlineData("https://user:word@example.org/")]
    [InlineData("https://example.org/#part")]
    public void An_address_that_is_not_plain_http_is_refused(string url)
    {
        Assert.Throws<ArgumentException>(() => Valid with { Url = new Uri(url, UriKind.RelativeOrAbsolute) });
    }

    [Fact]
    public void Values_that_cannot_be_meant_are_refused()
    {
        Assert.Throws<ArgumentException>(() => Valid with { Name = "" });
        Assert.Throws<ArgumentException>(() => Valid with { Name = "a\nb" });
        Assert.Throws<ArgumentException>(() => Valid with { Name = new string('n', 201) });
        Assert.Throws<ArgumentException>(() => Valid with { Store = "no store" });
        Assert.Throws<ArgumentException>(() => Valid with { Stream = "" });
        Assert.Throws<ArgumentException>(() => Valid with { Secret = "" });
        Assert.Throws<ArgumentException>(() => Valid with { MaxRetries = 0 });
        Assert.Throws<ArgumentException>(() => Valid with { Interval = TimeSpan.Zero });
        Assert.Throws<ArgumentException>(() => Valid with { Timeout = TimeSpan.FromDays(2) });
        Assert.Throws<ArgumentException>(() => Valid with { CaFile = "" });
        Assert.Throws<ArgumentException>(() => (Valid with { Secret = null }).Check());
        Assert.Throws<ArgumentException>(() => (Valid with { Url = new("http://a/"), CaFile = "ca.pem" }).Check());
        Assert.Equal("hook:mail", Valid.Check().ConsumerName);
    }
}
