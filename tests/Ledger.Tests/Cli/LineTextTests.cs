using System.Text;
using Ledger.Cli.Terminal;
using Xunit;

namespace Ledger.Tests.Cli;

public sealed class LineTextTests
{
    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("", "")]
    [InlineData("äöü 漢字 😀 C:\\new", "äöü 漢字 😀 C:\\new")]
    [InlineData("a\nb\r\tc", "a\\nb\\r\\tc")]
    [InlineData("\u001b]0;title\u0007", "\\x1b]0;title\\x07")]
    [InlineData("\0\u007f", "\\x00\\x7f")]
    [InlineData("\u0085\u009b31m\u2028\u2029", "\\u0085\\u009b31m\\u2028\\u2029")]
    public void What_ends_a_line_or_steers_a_terminal_is_written_in_visible_characters(string text, string expected)
    {
        Assert.Equal(expected, LineText.Escape(text));
        Assert.Equal(expected, Encoding.UTF8.GetString(LineText.Escape(Encoding.UTF8.GetBytes(text)).Span));
    }

    [Fact]
    public void Bytes_that_are_no_text_are_written_as_digits() => Assert.Equal(
        "a\\xff\\xc3b", Encoding.UTF8.GetString(LineText.Escape(new byte[] { 0x61, 0xFF, 0xC3, 0x62 }).Span));

    [Fact]
    public void The_lines_of_a_message_stay_lines() =>
        Assert.Equal("one\ntwo\\x1b", LineText.EscapeLines("one\ntwo\u001b"));
}
