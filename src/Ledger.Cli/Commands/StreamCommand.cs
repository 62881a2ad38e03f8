using System.CommandLine;
using Ledger.Cli.Daemons;
using Ledger.Cli.Streams;

namespace Ledger.Cli.Commands;

/// <summary><c>ledger stream</c>: the group, and the options that all of it takes.</summary>
internal static class StreamCommand
{
    /// <summary>Builds the group.</summary>
    public static Command Create(CommonOptions common, ServerOptions server)
    {
        var store = new StoreOptions(server);
        var group = new ExampleCommand(
            "stream", "Work with streams: append-only logs of the daemon, or with --db of a database",
            "stream append 'hello' --stream user-123",
            "stream read --stream user-123",
            "stream append 'hello' --db sqlite:app.db --stream user-123",
            "stream subscribe --all --db sqlite:app.db")
        {
            store.Database,
            store.Store,
            store.Stream,
        };
        foreach (var command in StreamReadCommands.Create(common, store)
            .Concat(StreamListCommands.Create(common, store))
            .Concat(StreamChangeCommands.Create(common, store))
            .Concat(StreamFollowCommands.Create(common, store))
            .Concat(StreamTransferCommands.Create(common, store))
            .Prepend(StreamAppendCommand.Create(common, store)))
        {
            group.Add(command);
        }

        return group;
    }
}
