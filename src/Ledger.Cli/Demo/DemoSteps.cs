using System.Diagnostics;
using System.Globalization;
using Ledger.Cli.Terminal;

namespace Ledger.Cli.Demo;

/// <summary>Runs the steps of the demo, numbers them, and prints the result and time of each.</summary>
/// <param name="output">Where they are printed.</param>
internal sealed class DemoSteps(Output output)
{
    private int _steps;

    /// <summary>Runs a step.</summary>
    /// <param name="title">What it shows.</param>
    /// <param name="work">Does it, checks it, and says in a line what came of it.</param>
    /// <param name="cancellationToken">Ctrl-C.</param>
    public async Task RunAsync(
        string title, Func<CancellationToken, Task<string>> work, CancellationToken cancellationToken)
    {
        var elapsed = Stopwatch.StartNew();
        var result = await work(cancellationToken);
        var seconds = Math.Round(elapsed.Elapsed.TotalSeconds, 3);
        output.Result(
            string.Create(CultureInfo.InvariantCulture, $"{++_steps,2}  {title,-37} {seconds,7:0.000} s  {result}"),
            json =>
            {
                json.WriteString("step", title);
                json.WriteString("result", result);
                json.WriteNumber("seconds", seconds);
            });
        output.Flush();
    }

    /// <summary>Fails the demo when something is not as it should be.</summary>
    /// <exception cref="CliException">It is not.</exception>
    public static void Check(bool holds, string expectation)
    {
        if (!holds)
        {
            throw new CliException(ExitCodes.Failed, $"The demo expected that {expectation}, and it is not so.");
        }
    }
}
