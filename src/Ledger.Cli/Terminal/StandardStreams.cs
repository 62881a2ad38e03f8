using Microsoft.Win32.SafeHandles;

namespace Ledger.Cli.Terminal;

/// <summary>The process's standard input and output, with the ends that a script needs to notice.</summary>
internal static class StandardStreams
{
    /// <summary>
    /// Standard output, unbuffered; a reader that went away is a <see cref="ClosedPipeException"/>.
    /// </summary>
    public static Stream OpenOutput()
    {
        // The console's own stream swallows a closed pipe, and a file stream over a file would write at offsets of its
        // own, over what a neighbour in the same redirection wrote: each serves where the other fails.
        var file = new FileStream(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0);
        return OperatingSystem.IsWindows() || file.CanSeek
            ? Console.OpenStandardOutput()
            : new PipeOutput(file);
    }

    /// <summary>Standard input; a read that waits for a user ends when it is cancelled.</summary>
    public static Stream OpenInput() => new PromptInput(Console.OpenStandardInput());
}

/// <summary>The reader of standard output went away.</summary>
/// <param name="innerException">What it was noticed by.</param>
internal sealed class ClosedPipeException(Exception innerException)
    : IOException("The reader of standard output went away.", innerException);
