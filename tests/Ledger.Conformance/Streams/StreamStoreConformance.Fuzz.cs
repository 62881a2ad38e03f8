using System.Globalization;
using Ledger.Runtime;
using Ledger.Streams;
using Ledger.Streams.Memory;
using Xunit;

namespace Ledger.Conformance.Streams;

/// <summary>Names, tags, metadata, annotations, texts and searches that were made up by the thousand.</summary>
public abstract partial class StreamStoreConformance
{
    private const int FuzzSeed = 20_270;

    /// <summary>Names that mean something to a database, and some that could be taken for one another.</summary>
    private static readonly string[] Meaningful =
    [
        "select", "Table", "order", "group", "user", "index", "where", "from", "primary", "references", "values",
        "default", "null", "true", "check", "unique", "transaction", "union", "all", "limit", "column", "constraint",
        "with", "returning", "rowid", "main", "temp", "oid", "public", "text", "ledger_entries", "_", "__",
        "a23456789_123456789_123456789_123456789_12345678", "a23456789_123456789_123456789_123456789_12345679",
        "A23456789_123456789_123456789_123456789_1234567",
    ];

    [Fact]
    public async Task Ten_thousand_names_and_texts_touch_nothing_but_themselves()
    {
        var random = new Random(FuzzSeed);
        var store = await OpenAsync();
        var model = new Dictionary<string, List<(EntryId Id, string Text)>>(StringComparer.Ordinal);
        var refused = 0;
        for (var round = 0; round < 20; round++)
        {
            var names = Enumerable.Range(0, 500).Select(_ => Fuzz(random)).ToHashSet(StringComparer.Ordinal);
            foreach (var name in names.Where(name => name.Contains('\0')))
            {
                refused++;
                await Assert.ThrowsAsync<ArgumentException>(() => MisuseAsync(store, name, random.Next(9)));
            }

            // A text may have a NUL, a name may not.
            StreamAppend[] appends = [.. names.Where(name => !name.Contains('\0')).Select(
                name => new StreamAppend(name, [New(name + Fuzz(random)) with
                {
                    Tags = [name],
                    Metadata = Pairs(name, name),
                    OrderKey = name,
                    SourceId = name,
                }]))];
            var results = await store.AppendAsync(appends);
            foreach (var (append, result) in appends.Zip(results))
            {
                model.TryAdd(append.Stream, []);
                model[append.Stream].Add((result.End, append.Entries[0].SearchText!));
            }
        }

        Assert.True(refused > 1_000, $"Only {refused} names were refused; seed {FuzzSeed}.");
        await CheckAllAsync(store, model);
        await CheckSomeAsync(store, model, random);
    }

    [Fact]
    public async Task Ten_thousand_store_names_are_taken_or_refused_by_the_rule_and_touch_no_other_table()
    {
        var random = new Random(FuzzSeed);
        var runtime = LedgerRuntime.CreateSystem();
        var taken = new List<string>();
        for (var n = 0; n < 10_000; n++)
        {
            var name = FuzzStore(random);
            if (IsStoreName(name))
            {
                await using var store = new MemoryStreamStore(name, runtime);
                taken.Add(name);
                continue;
            }

            var thrown = await Record.ExceptionAsync(async () => await OpenStoreAsync(name));
            Assert.True(thrown is ArgumentException, $"'{name}' is not refused; seed {FuzzSeed}: {thrown}");
        }

        Assert.InRange(taken.Count, 2_500, 7_500);
        await ForeignAsync(
            "CREATE TABLE app_rows (id integer PRIMARY KEY, stream text, payload text); " +
            "INSERT INTO app_rows VALUES (1, 'a', 'x'), (2, '; DROP TABLE app_rows; --', 'y')");
        var sample = Meaningful.Concat(taken.Take(16)).DistinctBy(name => name.ToUpperInvariant()).ToList();
        foreach (var name in sample)
        {
            await using var store = await OpenStoreAsync(name);
            await store.AppendAsync("s", New(name, "k") with { Tags = ["t"], Metadata = Pairs("m", name) });
            await CheckStoreAsync(store, name);
        }

        if (IsShared)
        {
            await CheckBesideAsync(sample);
        }
    }

    /// <summary>Case is ignored, and nothing else: each has its own entry, as has the table beside them.</summary>
    private async Task CheckBesideAsync(List<string> names)
    {
        foreach (var name in names.Where((name, index) => index % 2 == 0 || name.Length >= 47))
        {
            await using var store = await OpenStoreAsync(OtherCase(name));
            await CheckStoreAsync(store, name);
        }

        await using var foreign = await OpenStoreAsync("APP_rows");
        await Assert.ThrowsAnyAsync<LedgerException>(async () => await foreign.AppendAsync("s", New("1")));
        Assert.Equal(
            ["1 a x", "2 ; DROP TABLE app_rows; -- y"], await ForeignAsync("SELECT * FROM app_rows ORDER BY 1"));
    }

    /// <summary>1 to 11 characters, and a NUL one time in six.</summary>
    private static string Fuzz(Random random)
    {
        string[] alphabet =
        [
            "'", "\"", "%", "_", "\\", ";", "-", "(", ")", "[", "]", "{", "}", "$", "@", ":", "?", "*", "/", "a", "A",
            "é", "ß", " ", "İ", "\t", "\n", "\U0001F980",
        ];
        var text = string.Concat(
            Enumerable.Range(0, random.Next(1, 12)).Select(_ => alphabet[random.Next(alphabet.Length)]));
        return random.Next(6) == 0 ? text.Insert(text.IndexOf('a', StringComparison.Ordinal) + 1, "\0") : text;
    }

    /// <summary>Uses what is no name as one.</summary>
    private static Task MisuseAsync(IStreamStore store, string text, int way) => way switch
    {
        0 => store.AppendAsync(text, New("1")).AsTask(),
        1 => store.AppendAsync("s", New("1", text)).AsTask(),
        2 => store.AppendAsync("s", New("1") with { Tags = [text] }).AsTask(),
        3 => store.AppendAsync("s", New("1") with { Metadata = Pairs(text, "v") }).AsTask(),
        4 => store.AppendAsync("s", New("1") with { Metadata = Pairs("k", text) }).AsTask(),
        5 => store.SetTagsAsync("s", EntryId.Of(1), [text]).AsTask(),
        6 => store.SetAnnotationsAsync("s", EntryId.Of(1), Changes((text, "v"))).AsTask(),
        7 => store.SetAnnotationsAsync("s", EntryId.Of(1), Changes(("k", text))).AsTask(),
        _ => store.SearchAsync(text).ToListAsync().AsTask(),
    };

    /// <summary>Every entry is there, under its own name and nowhere else.</summary>
    private static async Task CheckAllAsync(
        IStreamStore store, Dictionary<string, List<(EntryId Id, string Text)>> model)
    {
        Assert.True(
            model.Keys.Order(ScalarComparer.Instance).SequenceEqual(await store.ListStreamsAsync().ToListAsync()),
            $"The names differ; seed {FuzzSeed}.");
        var streams = (await store.ReadAllAsync().ToListAsync())
            .GroupBy(entry => entry.Stream, StringComparer.Ordinal)
            .ToDictionary(stream => stream.Key, stream => stream.ToList(), StringComparer.Ordinal);
        Assert.Equal(model.Count, streams.Count);
        foreach (var (name, expected) in model)
        {
            var entries = streams[name];
            Assert.Equal(expected, entries.Select(entry => (entry.Id, Text(entry))));
            Assert.True(
                entries.TrueForAll(entry => entry.OrderKey == name && entry.SourceId == name
                    && entry.Tags.SequenceEqual([name])
                    && entry.Metadata.SequenceEqual([new KeyValuePair<string, string>(name, name)])),
                $"An entry of '{name}' is not as it was; seed {FuzzSeed}.");
        }
    }

    /// <summary>Some names, each asked for in every way: the answers are what has it, and all of that.</summary>
    private static async Task CheckSomeAsync(
        IStreamStore store, Dictionary<string, List<(EntryId Id, string Text)>> model, Random random)
    {
        string[] names = [.. model.Keys.Order(StringComparer.Ordinal)];
        random.Shuffle(names);
        string NextName() => Fuzz(random).Replace('\0', '%');
        var annotated = names[..40].ToDictionary(name => name, _ => (Key: NextName(), Value: NextName()));
        foreach (var (name, (key, value)) in annotated)
        {
            await store.SetAnnotationsAsync(name, model[name][0].Id, Changes((key, value)));
        }

        string[] texts = [.. model.Values.SelectMany(entries => entries).Select(entry => entry.Text)];
        foreach (var (name, (key, value)) in annotated)
        {
            EntryId[] own = [.. model[name].Select(entry => entry.Id)];
            await Expect(own, new() { OrderKey = name });
            await Expect(own, new() { Tags = [name] });
            await Expect(own, new() { Metadata = Pairs(name, name) });
            await Expect(
                [.. annotated.Where(other => other.Value == (key, value)).Select(other => model[other.Key][0].Id)],
                new() { Annotations = Pairs(key, value) });
            Assert.Equal(own.Length, await store.CountAsync(name));

            // Where a text has a NUL, a store may have a space.
            if (!name.Contains(' '))
            {
                var upper = name.ToUpperInvariant();
                var found = await store.SearchAsync(name).Select(Text).ToListAsync();
                Assert.Equal(
                    texts.Where(text => text.ToUpperInvariant().Contains(upper, StringComparison.Ordinal))
                        .Order(StringComparer.Ordinal),
                    found.Order(StringComparer.Ordinal));
            }

            async Task Expect(EntryId[] expected, EntryFilter filter)
            {
                var found = await store.ReadAllAsync(filter: filter).Select(entry => entry.Id).ToListAsync();
                Assert.True(
                    expected.Order().SequenceEqual(found.Order()),
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"{filter} found {found.Count} for '{name}', not {expected.Length}; seed {FuzzSeed}."));
            }
        }
    }

    /// <summary>Mostly what a name may have, now and then with a beginning that it may not.</summary>
    private static string FuzzStore(Random random)
    {
        const string Good = "abcxyzABCXYZ0189_";
        const string Bad = "-. '\"\\;$%äß\0\n\u0130\u212A";
        string[] beginnings = ["ledger_", "LEDGER_entries", "Sqlite_", "pg_", "PG", "json_each", "7"];
        var beginning = random.Next(8) == 0 ? beginnings[random.Next(beginnings.Length)] : "";
        return beginning + string.Concat(Enumerable.Range(0, random.Next(53)).Select(
            _ => random.Next(70) == 0 ? Bad[random.Next(Bad.Length)] : Good[random.Next(Good.Length)]));
    }

    /// <summary>The rule in other words than those of the stores.</summary>
    private static bool IsStoreName(string name)
    {
        var upper = name.ToUpperInvariant();
        bool Begins(string with) => upper.StartsWith(with, StringComparison.Ordinal);
        return name.Length is > 0 and <= StreamLimits.StoreNameLengthMax
            && name.All(c => c == '_' || char.IsAsciiLetterOrDigit(c))
            && !char.IsAsciiDigit(name[0])
            && (upper == "LEDGER_ENTRIES" || !Begins("LEDGER_"))
            && !Begins("SQLITE_") && !Begins("PG_")
            && upper is not ("JSON_EACH" or "PRAGMA_TABLE_INFO");
    }

    private static string OtherCase(string name) => string.Concat(
        name.Select(c => char.IsAsciiLetterUpper(c) ? char.ToLowerInvariant(c) : char.ToUpperInvariant(c)));

    private static async Task CheckStoreAsync(IStreamStore store, string name)
    {
        var filter = new EntryFilter { Tags = ["t"], Metadata = Pairs("m", name) };
        Assert.Equal([name], await TextsAsync(store, "s", new() { Filter = filter }));
        Assert.Equal([name], await store.ReadAllAsync().Select(Text).ToListAsync());
        Assert.Equal([name], await store.SearchAsync(name).Select(Text).ToListAsync());
        Assert.Equal(1, (await store.AppendAsync("s", New(name, "k"))).DuplicateCount);
    }

    /// <summary>Runs statements of an application's own, and gives the rows; null when nobody else is there.</summary>
    private async Task<IReadOnlyList<string>?> ForeignAsync(string sql)
    {
        if (await BeginAsync() is not { } transaction)
        {
            return null;
        }

        var rows = new List<string>();
        await using var connection = transaction.Connection!;
        await using (transaction)
        {
            await using var command = connection.CreateCommand();
            (command.CommandText, command.Transaction) = (sql, transaction);
            await using (var row = await command.ExecuteReaderAsync())
            {
                while (await row.ReadAsync())
                {
                    rows.Add(string.Join(' ', Enumerable.Range(0, row.FieldCount).Select(row.GetValue)));
                }
            }

            await transaction.CommitAsync();
        }

        return rows;
    }
}
