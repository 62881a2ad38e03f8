using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Ledger.Server.Logging;

/// <summary>The daemon's log: a line for each event, on standard error or at the end of a file.</summary>
/// <remarks>
/// Safe from any thread. Nothing that a caller sent can end a line or look like another: control characters are
/// escaped. What the platform's own parts say below a warning is left out unless the level is debug.
/// </remarks>
internal sealed class DaemonLog : ILoggerProvider
{
    private static readonly JsonWriterOptions Plain =
        new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private readonly string? _path;
    private readonly bool _isJson;
    private TextWriter _writer;
    private volatile int _level;

    /// <summary>Opens the log.</summary>
    /// <param name="path">The file, which is made when it is missing; null for standard error.</param>
    /// <param name="isJson">JSON lines instead of text.</param>
    /// <param name="level">The least that is logged.</param>
    /// <param name="time">The clock.</param>
    public DaemonLog(string? path, bool isJson, LogLevel level, TimeProvider time)
    {
        _path = path;
        _isJson = isJson;
        _level = (int)level;
        _time = time;
        _writer = Open();
    }

    /// <summary>The least that is logged; may change at any time.</summary>
    public LogLevel Level
    {
        get => (LogLevel)_level;
        set => _level = (int)value;
    }

    /// <summary>Opens the file again, which somebody may have moved away.</summary>
    /// <exception cref="IOException">It cannot be opened; the log goes on where it was.</exception>
    public void Reopen()
    {
        if (_path is null)
        {
            return;
        }

        var next = Open();
        lock (_lock)
        {
            (_writer, next) = (next, _writer);
        }

        next.Dispose();
    }

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new CategoryLogger(this, categoryName);

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_path is not null)
            {
                _writer.Dispose();
            }

            _writer = TextWriter.Null;
        }
    }

    private static void AppendEscaped(StringBuilder line, string text)
    {
        foreach (var letter in text)
        {
            _ = letter switch
            {
                '\n' => line.Append("\\n"),
                '\r' => line.Append("\\r"),
                _ when char.IsControl(letter) || letter is '\u2028' or '\u2029' =>
                    line.Append("\\u").Append(((int)letter).ToString("x4", null)),
                _ => line.Append(letter),
            };
        }
    }

    private static string NameOf(LogLevel level) => level switch
    {
        LogLevel.Trace or LogLevel.Debug => "debug",
        LogLevel.Information => "info",
        LogLevel.Warning => "warning",
        _ => "error",
    };

    private TextWriter Open() => _path is null
        ? Console.Error
        : new StreamWriter(
            new FileStream(_path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete),
            new UTF8Encoding(encoderShouldEmitUTF8Identifier: false))
        {
            AutoFlush = true,
        };

    private void Write(string line)
    {
        lock (_lock)
        {
            try
            {
                _writer.WriteLine(line);
            }
            catch (IOException)
            {
                // A full disk must not stop the daemon, and there is nowhere left to say it.
            }
        }
    }

    private string Text(LogLevel level, string category, string message, Exception? error)
    {
        var line = new StringBuilder()
            .Append(_time.GetUtcNow().ToString("yyyy-MM-ddTHH:mm:ss.fffZ", null)).Append(' ')
            .Append(NameOf(level).PadRight(8)).Append(category).Append(": ");
        AppendEscaped(line, message);
        if (error is not null)
        {
            line.Append(" | ");
            AppendEscaped(line, level >= LogLevel.Error ? error.ToString() : error.Message);
        }

        return line.ToString();
    }

    private string Json<TState>(LogLevel level, string category, string message, TState state, Exception? error)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes, Plain))
        {
            json.WriteStartObject();
            json.WriteString("time", _time.GetUtcNow().ToString("yyyy-MM-ddTHH:mm:ss.fffZ", null));
            json.WriteString("level", NameOf(level));
            json.WriteString("category", category);
            json.WriteString("message", message);
            foreach (var (name, value) in state as IReadOnlyList<KeyValuePair<string, object?>> ?? [])
            {
                if (name != "{OriginalFormat}")
                {
                    json.WriteString(JsonNamingPolicy.SnakeCaseLower.ConvertName(name), value?.ToString());
                }
            }

            if (error is not null)
            {
                json.WriteString("error", level >= LogLevel.Error ? error.ToString() : error.Message);
            }

            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(bytes.GetBuffer(), 0, (int)bytes.Length);
    }

    /// <summary>The log of one part.</summary>
    private sealed class CategoryLogger(DaemonLog log, string category) : ILogger
    {
        private readonly bool _isPlatform = category.StartsWith("Microsoft.", StringComparison.Ordinal);

        /// <inheritdoc/>
        public bool IsEnabled(LogLevel logLevel) =>
            logLevel != LogLevel.None && logLevel >= log.Level
            && (!_isPlatform || logLevel >= LogLevel.Warning || log.Level == LogLevel.Debug);

        /// <inheritdoc/>
        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                var message = formatter(state, exception);
                log.Write(log._isJson
                    ? log.Json(logLevel, category, message, state, exception)
                    : log.Text(logLevel, category, message, exception));
            }
        }

        /// <inheritdoc/>
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;
    }
}
