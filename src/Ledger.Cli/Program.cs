using Ledger.Cli;

return await CommandLine.RunAsync(args);
