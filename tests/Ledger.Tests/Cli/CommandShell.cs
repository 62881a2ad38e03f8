using System.Text;
using Ledger.Cli;
using Ledger.Cli.Terminal;

namespace Ledger.Tests.Cli;

/// <summary>Runs command lines in this process, in a directory of their own.</summary>
internal sealed class CommandShell : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("ledger-cli-").FullName;

    /// <summary>What the user answers when asked; null when nobody is there to ask.</summary>
    public Func<string, bool>? Confirm { get; set; }

    /// <summary>A path in the directory.</summary>
    public string this[string name] => Path.Combine(_directory, name);

    /// <summary>Runs a command.</summary>
    public async Task<CommandResult> RunAsync(params string[] arguments)
    {
        using var output = new MemoryStream();
        using var errors = new StringWriter();
        var exitCode = await CommandLine.RunAsync(arguments, new CommandStreams
        {
            OpenOutput = () => new UnclosedStream(output),
            Errors = errors,
            Confirm = Confirm,
        });
        return new CommandResult(exitCode, output.ToArray(), errors.ToString());
    }

    /// <summary>Runs a command with the directory's repository, which must succeed.</summary>
    /// <returns>What it printed.</returns>
    public async Task<string> PageAsync(params string[] arguments)
    {
        var result = await RunAsync(["page", .. arguments, "--data", this["data"]]);
        return result.ExitCode == 0
            ? result.Text : throw new InvalidOperationException($"{result.ExitCode}: {result.Errors}");
    }

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_directory, recursive: true);

    /// <summary>Stays open when a command has ended.</summary>
    private sealed class UnclosedStream(Stream inner) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Flush() => inner.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => inner.Write(buffer, offset, count);
    }
}

/// <summary>What a command came to.</summary>
internal sealed record CommandResult(int ExitCode, byte[] Output, string Errors)
{
    /// <summary>Its output as text.</summary>
    public string Text => Encoding.UTF8.GetString(Output);

    /// <summary>Its error, without the hint.</summary>
    public string Sentence => Errors.Split('\n')[0].Replace("ledger: ", "", StringComparison.Ordinal);
}
