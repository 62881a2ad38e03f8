using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Threading.Channels;

namespace Ledger.EndToEnd.Processes;

/// <summary>A process of ours: what it said, how it ended, and ways to end it.</summary>
internal sealed class Child : IDisposable
{
    private readonly Process _process;
    private readonly Task<byte[]> _output;
    private readonly Task<string> _error;
    private readonly Channel<string> _lines = Channel.CreateUnbounded<string>();

    private Child(Process process)
    {
        _process = process;
        _output = ReadOutputAsync();
        _error = process.StandardError.ReadToEndAsync();
    }

    /// <summary>Its process id.</summary>
    public int Id => _process.Id;

    /// <summary>Whether it ended.</summary>
    public bool HasExited => _process.HasExited;

    /// <summary>Starts an assembly beside the tests.</summary>
    /// <param name="assembly">Its file name.</param>
    /// <param name="directory">Where it runs.</param>
    /// <param name="arguments">Its arguments.</param>
    public static Child Start(string assembly, string directory, params IEnumerable<string> arguments) =>
        StartProgram("dotnet", directory, [Path.Combine(AppContext.BaseDirectory, assembly), .. arguments]);

    /// <summary>Starts the command line.</summary>
    public static Child StartLedger(string directory, params IEnumerable<string> arguments) =>
        Start("Ledger.Cli.dll", directory, arguments);

    /// <summary>Starts a program.</summary>
    public static Child StartProgram(string program, string directory, IReadOnlyList<string> arguments)
    {
        var start = new ProcessStartInfo(program)
        {
            WorkingDirectory = directory,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        // Neither the test host's settings nor the user's own repository may reach the child.
        start.Environment.Remove("LEDGER_DATA");
        start.Environment["DOTNET_TieredPGO"] = "0";
        return new Child(Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start."));
    }

    /// <summary>Most resident bytes it has had; null when it ended.</summary>
    public long? PeakBytes()
    {
        _process.Refresh();
        return _process.HasExited || _process.PeakWorkingSet64 == 0 ? null : _process.PeakWorkingSet64;
    }

    /// <summary>Writes to its standard input.</summary>
    public async Task WriteAsync(ReadOnlyMemory<byte> content)
    {
        await _process.StandardInput.BaseStream.WriteAsync(content);
        await _process.StandardInput.BaseStream.FlushAsync();
    }

    /// <summary>Ends its standard input.</summary>
    public void CloseInput() => _process.StandardInput.Close();

    /// <summary>The next whole line of its standard output; null when it ended.</summary>
    public async Task<string?> ReadLineAsync() =>
        await _lines.Reader.WaitToReadAsync() && _lines.Reader.TryRead(out var line) ? line : null;

    /// <summary>Kills it without a chance to clean up.</summary>
    public void Kill() => _process.Kill();

    /// <summary>Sends it a signal, such as INT.</summary>
    public async Task SignalAsync(string name)
    {
        using var kill = Process.Start("kill", ["-s", name, _process.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
    }

    /// <summary>Waits for its end.</summary>
    public async Task<ChildResult> EndAsync()
    {
        await _process.WaitForExitAsync();
        return new ChildResult(_process.ExitCode, await _output, await _error);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        _process.Dispose();
    }

    private async Task<byte[]> ReadOutputAsync()
    {
        using var whole = new MemoryStream();
        var buffer = new byte[1 << 16];
        var begin = 0;
        int read;
        while ((read = await _process.StandardOutput.BaseStream.ReadAsync(buffer)) > 0)
        {
            whole.Write(buffer, 0, read);
            for (int end; (end = Array.IndexOf(whole.GetBuffer(), (byte)'\n', begin, (int)whole.Length - begin)) >= 0;)
            {
                _lines.Writer.TryWrite(Encoding.UTF8.GetString(whole.GetBuffer(), begin, end - begin));
                begin = end + 1;
            }
        }

        // What follows the last line end was torn by the end of the process, and is no line.
        _lines.Writer.Complete();
        return whole.ToArray();
    }
}

/// <summary>How a process ended.</summary>
/// <param name="ExitCode">128 + the signal when one killed it.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Error">Standard error.</param>
internal sealed record ChildResult(int ExitCode, byte[] Output, string Error)
{
    /// <summary>Standard output as text.</summary>
    public string Text => Encoding.UTF8.GetString(Output);

    /// <summary>Its lines.</summary>
    public string[] Lines => Text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
}
