using Ledger.Benchmarks;
using Ledger.Benchmarks.Experiments;
using Ledger.Benchmarks.Reporting;

// The supervisor runs each experiment as a child process; so one that fails does not end the others.
switch (args)
{
    case [] or ["--help" or "-h" or "help", ..]:
        Console.WriteLine(Settings.Usage);
        return 0;
    case ["list", ..]:
        foreach (var experiment in Experiment.All)
        {
            Console.WriteLine($"{experiment.Name,-10} {experiment.Title}");
        }

        return 0;
    case ["child", ..]:
        return await ChildTasks.RunAsync(args[1..]);
    case ["experiment", var scratch, ..]:
        return await Supervisor.RunExperimentAsync(Settings.Parse(args[2..]), scratch);
}

Settings settings;
try
{
    settings = Settings.Parse(args);
}
catch (ArgumentException exception)
{
    Console.Error.WriteLine($"{exception.Message}\n\n{Settings.Usage}");
    return 2;
}

if (settings.Mode == "table")
{
    var all = await RatioTable.MakeAsync(settings.Out);
    Console.Write(all);
    await WriteAsync(Path.Combine(settings.Out, "README.md"), all);
    await WriteAsync("README.md", await RatioTable.MakeShortAsync(settings.Out, $"{settings.Out.TrimEnd('/')}/"));
    return 0;
}

if (Experiment.Unknown(settings.Mode) is { } unknown)
{
    Console.Error.WriteLine($"There is no experiment '{unknown}'.\n\n{Settings.Usage}");
    return 2;
}

return await Supervisor.RunAsync(Experiment.Named(settings.Mode), settings);

static async Task WriteAsync(string path, string table)
{
    if (File.Exists(path) && await RatioTable.UpdateAsync(path, table))
    {
        Console.WriteLine($"{path} has the table now.");
    }
}
