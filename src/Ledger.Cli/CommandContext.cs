using System.CommandLine;
using System.Text;
using Ledger.Cli.Terminal;
using Ledger.Objects;
using Ledger.Pages;
using Ledger.Sync;

namespace Ledger.Cli;

/// <summary>What a command's work needs of its command line.</summary>
/// <param name="parse">The command line.</param>
/// <param name="common">The shared options.</param>
/// <param name="output">Standard output.</param>
/// <param name="errors">Where the library's warnings go.</param>
/// <param name="cancellationToken">Ctrl-C.</param>
internal sealed class CommandContext(
    ParseResult parse, CommonOptions common, Output output, ErrorLog errors, CancellationToken cancellationToken)
{
    private const int KeySizeBytesMax = 1024;

    /// <summary>The command line.</summary>
    public ParseResult Parse { get; } = parse;

    /// <summary>Standard output.</summary>
    public Output Output { get; } = output;

    /// <summary>Ctrl-C.</summary>
    public CancellationToken Token { get; } = cancellationToken;

    /// <summary>The page that is meant.</summary>
    public PageId Page => Parse.GetValue(common.Page);

    /// <summary>How values are written.</summary>
    public ByteFormat ValueFormat { get; } = common.ValueFormatOf(parse);

    /// <summary>How keys are written.</summary>
    public ByteFormat KeyFormat { get; } = common.KeyFormatOf(parse);

    /// <summary>Gives a command its work, and runs it with standard output open.</summary>
    /// <param name="command">The command.</param>
    /// <param name="common">The shared options.</param>
    /// <param name="work">The work; what it returns is the exit code.</param>
    /// <param name="follows">It waits for what comes: then it also ends when its reader goes away meanwhile.</param>
    public static void SetAction(
        Command command, CommonOptions common, Func<CommandContext, Task<int>> work, bool follows = false) =>
        command.SetAction(async (parse, cancellationToken) =>
        {
            using var output = new Output(common.Streams.OpenOutput(), common.IsJson(parse));
            using var errors = new ErrorLog();
            var reader = follows ? ReaderWatch.Start(cancellationToken) : null;
            try
            {
                var exitCode = await work(new CommandContext(
                    parse, common, output, errors, reader?.Token ?? cancellationToken));
                output.Flush();
                return exitCode == ExitCodes.Done && errors.HasErrors ? ExitCodes.Failed : exitCode;
            }
            catch (OperationCanceledException error)
                when (reader is { IsGone: true } && !cancellationToken.IsCancellationRequested)
            {
                throw new ClosedPipeException(error);
            }
            catch (CliException absent) when (absent.ExitCode == ExitCodes.NotFound && errors.HasErrors)
            {
                // In a damaged store nobody can say that something is not there.
                throw new CliException(
                    ExitCodes.Failed, absent.Message, "It may be in what is damaged: see 'ledger verify'.", absent);
            }
        });

    /// <summary>The directory of the repository that is meant.</summary>
    public string DataDirectory => common.DirectoryOf(Parse);

    /// <summary>Opens the repository that is meant, to write to it.</summary>
    public Task<Session> OpenAsync(bool create) => OpenAsync(OptionsOf(create));

    /// <summary>Opens the repository that is meant, so that a medium which cannot be written to is read too.</summary>
    public Task<Session> OpenForReadingAsync() => OpenAsync(ForReading());

    /// <summary>Opens the repository that is meant for reading, without an application.</summary>
    public Task<Repository> OpenRepositoryForReadingAsync() => Session.OpenRepositoryAsync(
        common.DirectoryOf(Parse), ForReading(), Token);

    /// <summary>Opens the repository that is meant to write to it, without an application.</summary>
    public Task<Repository> OpenRepositoryAsync(bool create) => Session.OpenRepositoryAsync(
        common.DirectoryOf(Parse), OptionsOf(create), Token);

    /// <summary>Makes the repository that is meant another device of a secret's user, and opens it.</summary>
    public async Task<Repository> JoinAsync(SyncSecret secret, string? importFrom)
    {
        try
        {
            return await Repository.JoinAsync(DataDirectory, secret, importFrom, OptionsOf(create: true), Token);
        }
        catch (StoreUnavailableException error) when (error.Reason == StoreUnavailableReason.NotARepository
            && !Session.HasRepository(DataDirectory) && Session.HasDaemon(DataDirectory))
        {
            throw Session.OfDaemon(DataDirectory, error);
        }
    }

    /// <summary>The prefix that is meant; empty when none is given.</summary>
    public byte[] Prefix => KeyOrNull(common.Prefix) ?? [];

    /// <summary>A key as it was given.</summary>
    public byte[] Key(Argument<string> argument)
    {
        var key = KeyFormat.Parse(Parse.GetRequiredValue(argument), "key");
        return key.Length is >= 1 and <= KeySizeBytesMax
            ? key
            : throw CliException.Usage($"The key has {key.Length} bytes; keys have 1 to {KeySizeBytesMax}.");
    }

    /// <summary>A key that an option gives, or null.</summary>
    public byte[]? KeyOrNull(Option<string?> option) =>
        Parse.GetResult(option) is not null && Parse.GetValue(option) is { } text
            ? KeyFormat.Parse(text, option.Name)
            : null;

    /// <summary>A key as a piece of a line.</summary>
    public ReadOnlyMemory<byte> KeyText(ReadOnlyMemory<byte> key) => LineText.Escape(KeyFormat.Format(key));

    /// <summary>Asks the user to agree; null when nobody is there to ask.</summary>
    public Func<string, bool>? Confirm => common.Streams.Confirm;

    /// <summary>The state that is meant: the page's current one, or that of <c>--as-of</c>.</summary>
    public async Task<IPageSnapshot> OpenSnapshotAsync(IPage page) =>
        Parse.GetResult(common.AsOf) is not null && Parse.GetValue(common.AsOf) is { } text
            ? await page.GetSnapshotAsync(await CommitNames.ParseAsOfAsync(page, text, Token), Prefix, Token)
            : await page.GetSnapshotAsync(Prefix, Token);

    /// <summary>The exception for a key that is not there.</summary>
    public CliException NoSuchKey(ReadOnlySpan<byte> key) => new(
        ExitCodes.NotFound, $"Page {Session.NameOf(Page)} has no key {ByteFormats.Quote(key)}.",
        "'ledger page keys' lists the keys there are.");

    /// <summary>ASCII text as a piece of a line.</summary>
    public static ReadOnlyMemory<byte> Text(string text) => Encoding.UTF8.GetBytes(text);

    private Task<Session> OpenAsync(RepositoryOptions options) => Session.OpenAsync(
        common.DirectoryOf(Parse), Parse.GetValue(common.App)!, options, Token);

    private RepositoryOptions ForReading() => OptionsOf(create: false) with { ReadOnly = true };

    private RepositoryOptions OptionsOf(bool create) => new()
    {
        CreateIfMissing = create,
        Durability = Parse.GetValue(common.Durability),
        LoggerFactory = errors,
    };
}
