using System.Diagnostics;

namespace Ledger.Cli.Terminal;

/// <summary>
/// Says how far long work is: a bar on a terminal, a line on standard error every two seconds otherwise.
/// </summary>
internal sealed class Progress : IDisposable
{
    private const int BarWidth = 30;
    private static readonly TimeSpan BarInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LineInterval = TimeSpan.FromSeconds(2);

    private readonly string _unit;
    private readonly bool _isTerminal = !Console.IsErrorRedirected;
    private readonly Stopwatch _sinceShown = Stopwatch.StartNew();
    private bool _isBarShown;

    /// <summary>Begins silently: short work says nothing.</summary>
    /// <param name="unit">What is counted, in the plural.</param>
    public Progress(string unit) => _unit = unit;

    /// <summary>Reports; shows it only when the last time is long enough ago.</summary>
    /// <param name="done">Units done.</param>
    /// <param name="fraction">How much of the whole that is, 0 to 1; null when the whole is not known.</param>
    public void Report(long done, double? fraction)
    {
        if (_sinceShown.Elapsed < (_isTerminal ? BarInterval : LineInterval))
        {
            return;
        }

        _sinceShown.Restart();
        var share = fraction is { } known ? Math.Clamp(known, 0, 1) : 0;
        var percent = fraction is null ? "" : $" {share * 100:0} %";
        if (!_isTerminal)
        {
            Console.Error.WriteLine($"{done} {_unit}{percent}");
            return;
        }

        var filled = (int)(share * BarWidth);
        var bar = fraction is null ? "" : $"[{new string('#', filled)}{new string('.', BarWidth - filled)}] ";
        Console.Error.Write($"\r{bar}{done} {_unit}{percent} ");
        _isBarShown = true;
    }

    /// <summary>Clears the bar.</summary>
    public void Dispose()
    {
        if (_isBarShown)
        {
            Console.Error.Write($"\r{new string(' ', BarWidth + _unit.Length + 32)}\r");
        }
    }
}
