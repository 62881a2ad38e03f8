using Ledger.EndToEnd.Clouds;
using Ledger.EndToEnd.Hooks;
using Ledger.EndToEnd.Kill;
using Ledger.EndToEnd.Memory;
using Ledger.EndToEnd.Streams;
using Ledger.EndToEnd.Sync;

// A child process of the suites: which one, and its arguments.
return args switch
{
    ["cloud", ..] => await CloudChild.RunAsync(args[1..]),
    ["hooks", ..] => await HookChild.RunAsync(args[1..]),
    ["kill", ..] => await KillChild.RunAsync(args[1..]),
    ["consumer", ..] => await ConsumerChild.RunAsync(args[1..]),
    ["race", ..] => await RaceChild.RunAsync(args[1..]),
    ["streams", ..] => await StreamChild.RunAsync(args[1..]),
    ["sync", ..] => await SyncChild.RunAsync(args[1..]),
    ["memory", ..] => await MemoryChild.RunAsync(args[1..]),
    _ => 2,
};
