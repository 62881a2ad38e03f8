using System.Text;
using Ledger.Cli.Terminal;
using Ledger.Objects;
using Ledger.Pages;

namespace Ledger.Cli;

/// <summary>The repository that a command works on, and the application in it; closed cleanly when disposed.</summary>
internal sealed class Session : IAsyncDisposable
{
    private const int AppSizeBytesMax = 255;

    private Session(Repository repository, ILedger ledger)
    {
        Repository = repository;
        Ledger = ledger;
    }

    /// <summary>The repository.</summary>
    public Repository Repository { get; }

    /// <summary>The application's pages.</summary>
    public ILedger Ledger { get; }

    /// <summary>Opens the repository in a directory, and an application in it.</summary>
    /// <param name="directory">The directory.</param>
    /// <param name="app">The application.</param>
    /// <param name="options">How; what is missing of both is made as these say, or is <em>not found</em>.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    public static async Task<Session> OpenAsync(
        string directory, string app, RepositoryOptions options, CancellationToken cancellationToken)
    {
        if (Encoding.UTF8.GetByteCount(app) is < 1 or > AppSizeBytesMax)
        {
            throw CliException.Usage($"An application's name has 1 to {AppSizeBytesMax} bytes.");
        }

        var repository = await OpenRepositoryAsync(directory, options, cancellationToken);
        Session? session = null;
        try
        {
            if (!options.CreateIfMissing && !await repository.LedgerExistsAsync(app, cancellationToken))
            {
                throw new CliException(
                    ExitCodes.NotFound, $"The repository at '{directory}' has no application '{app}'.",
                    "Choose one with --app; a first 'ledger page put' makes one.");
            }

            session = new Session(repository, await repository.GetLedgerAsync(app, cancellationToken));
            return session;
        }
        finally
        {
            if (session is null)
            {
                await repository.DisposeAsync();
            }
        }
    }

    /// <summary>Opens the repository in a directory.</summary>
    /// <inheritdoc cref="OpenAsync"/>
    public static async Task<Repository> OpenRepositoryAsync(
        string directory, RepositoryOptions options, CancellationToken cancellationToken)
    {
        if (!options.CreateIfMissing && !Directory.Exists(directory))
        {
            throw new CliException(
                ExitCodes.NotFound, $"There is no repository at '{directory}'.",
                "Choose one with --data or LEDGER_DATA; a first 'ledger page put' makes one.");
        }

        try
        {
            return await Repository.OpenAsync(directory, options, cancellationToken);
        }
        catch (StoreUnavailableException error)
            when (error.Reason == StoreUnavailableReason.NotARepository && HasDaemon(directory))
        {
            throw OfDaemon(directory, error);
        }
    }

    /// <summary>Whether pages are kept in a directory.</summary>
    public static bool HasRepository(string directory) => File.Exists(Path.Combine(directory, "REPOSITORY"));

    /// <summary>Whether a daemon keeps its files in a directory.</summary>
    public static bool HasDaemon(string directory) => File.Exists(Path.Combine(directory, "config.yaml"));

    /// <summary>The exception for pages that are looked for where a daemon is.</summary>
    public static CliException OfDaemon(string directory, StoreUnavailableException error) => new(
        ExitCodes.Unavailable, $"'{directory}' has the files of a daemon, which pages are kept apart from.",
        "Keep them in another directory, as with --data ./pages, or LEDGER_DATA.", error);

    /// <summary>Opens a page to read it; one that is not stored is <em>not found</em>, but for the root.</summary>
    public async Task<IPage> OpenStoredPageAsync(PageId id, CancellationToken cancellationToken)
    {
        // Every application has a root, also while nothing is in it.
        if (id != PageId.Root && !await Ledger.PageExistsAsync(id, cancellationToken))
        {
            throw new CliException(
                ExitCodes.NotFound, $"Application '{Ledger.Name}' has no page {NameOf(id)}.",
                "'ledger page list' lists the pages there are.");
        }

        return await Ledger.GetPageAsync(id, cancellationToken);
    }

    /// <summary>Checks everything, reporting objects as they are read.</summary>
    public static Task<VerifyReport> VerifyAsync(
        Repository repository, Progress progress, CancellationToken cancellationToken) =>
        repository.VerifyAsync(new ObjectsRead(progress), cancellationToken);

    /// <summary>A page's name for a message.</summary>
    public static string NameOf(PageId id) => id == PageId.Root ? "root" : id.ToString();

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => Repository.DisposeAsync();

    /// <summary>Reports at once: the library's own would go through the thread pool, after the end.</summary>
    private sealed class ObjectsRead(Progress progress) : IProgress<VerifyReport>
    {
        /// <inheritdoc/>
        public void Report(VerifyReport value) => progress.Report(value.Objects, null);
    }
}
