using System.Runtime.InteropServices;

namespace Ledger.Cli.Terminal;

/// <summary>Notices that the reader of standard output went away while nothing is written; not on Windows.</summary>
/// <remarks>A thread waits in the system for nothing else; it ends with the process.</remarks>
internal sealed class ReaderWatch
{
    private const int StandardOutput = 1;
    private const int Interrupted = 4;
    private const short Error = 0x8;
    private const short HungUp = 0x10;
    private const int ForEver = -1;

    // Not disposed: the thread may cancel it until the process ends.
    private readonly CancellationTokenSource _stop;
    private volatile bool _isGone;

    private ReaderWatch(CancellationToken cancellationToken) =>
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);

    /// <summary>Cancelled when the reader has gone, and with the token that was given.</summary>
    public CancellationToken Token => _stop.Token;

    /// <summary>Whether the reader has gone.</summary>
    public bool IsGone => _isGone;

    /// <summary>Begins to look.</summary>
    public static ReaderWatch Start(CancellationToken cancellationToken)
    {
        var watch = new ReaderWatch(cancellationToken);
        if (!OperatingSystem.IsWindows())
        {
            new Thread(watch.Run) { IsBackground = true, Name = "reader of standard output" }.Start();
        }

        return watch;
    }

    private void Run()
    {
        // Nothing is asked for: errors are always told.
        var request = new PollRequest { Descriptor = StandardOutput };
        int answer;
        do
        {
            answer = poll(ref request, 1, ForEver);
        }
        while (answer < 0 && Marshal.GetLastPInvokeError() == Interrupted);

        if (answer > 0 && (request.Told & (Error | HungUp)) != 0)
        {
            _isGone = true;
            _stop.Cancel();
        }
    }

    [DllImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern int poll(ref PollRequest requests, nuint count, int milliseconds);

    /// <summary>As <c>poll.h</c> has it.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct PollRequest
    {
        /// <summary>The file.</summary>
        public int Descriptor;

        /// <summary>What is asked for.</summary>
        public short Wanted;

        /// <summary>What is told.</summary>
        public short Told;
    }
}
