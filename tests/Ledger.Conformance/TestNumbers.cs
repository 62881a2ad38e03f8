namespace Ledger.Conformance;

/// <summary>How much a test does: enough for every change, or the full numbers of <c>./test.sh --nightly</c>.</summary>
public static class TestNumbers
{
    /// <summary>True in a nightly run.</summary>
    public static bool IsNightly { get; } = Environment.GetEnvironmentVariable("LEDGER_NIGHTLY") == "1";

    /// <summary>The number for this run.</summary>
    public static int Of(int usual, int nightly) => IsNightly ? nightly : usual;
}
