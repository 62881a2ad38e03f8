// What README.md shows, as a program: dotnet run --project samples/Quickstart
using Quickstart;

var directory = Path.Combine(Path.GetTempPath(), $"ledger-quickstart-{Environment.ProcessId}");
try
{
    foreach (var line in await Pages.RunAsync(Path.Combine(directory, "data")))
    {
        Console.WriteLine($"page:   {line}");
    }

    foreach (var line in await Streams.RunAsync(Path.Combine(directory, "app.db")))
    {
        Console.WriteLine($"stream: {line}");
    }
}
finally
{
    Directory.Delete(directory, recursive: true);
}
