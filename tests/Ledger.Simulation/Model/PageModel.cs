using System.Globalization;
using System.Text;
using Ledger.Commits;
using Ledger.Objects;
using Ledger.Pages;
using Ledger.Pages.Rows;
using Ledger.Simulation.Worlds;
using Ledger.Tests.Trees;
using Ledger.Trees;

namespace Ledger.Simulation.Model;

/// <summary>What all devices were asked to do to a page, and what each state of it must therefore be.</summary>
/// <remarks>
/// Knows nothing of trees, journals or merges: a commit's state is for each key what its newest writer wrote.
/// </remarks>
internal sealed class PageModel
{
    private readonly RunModel _run;
    private readonly Dictionary<CommitId, CommitModel> _commits = [];
    private readonly Dictionary<string, CommitId> _merges = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _keyNumbers = new(StringComparer.Ordinal);
    private readonly byte[][] _keys;

    private bool _hasAuthoredMerges;

    // By key, -1 for clears: when the last delete ended that anybody asked for.
    private readonly Dictionary<int, List<Write>> _deletes = [];
    private readonly List<Write> _puts = [];

    /// <summary>Makes an empty page.</summary>
    public PageModel(RunModel run, int number, PageId id, int keyCount, int keySizeBytes)
    {
        (_run, Number, Id) = (run, number, id);
        _keys = new byte[keyCount][];
        for (var key = 0; key < keyCount; key++)
        {
            var text = string.Create(CultureInfo.InvariantCulture, $"{key * 7919 % keyCount:x4}:{key}");
            _keys[key] = Encoding.ASCII.GetBytes(text.PadRight(key % 5 == 0 ? keySizeBytes : text.Length, '.'));
            _keyNumbers.Add(Encoding.ASCII.GetString(_keys[key]), key);
        }
    }

    public int Number { get; }

    public PageId Id { get; }

    public int KeyCount => _keys.Length;

    public IReadOnlyList<Write> Puts => _puts;

    public byte[] KeyBytes(int key) => _keys[key];

    /// <summary>The number of a key that the product shows.</summary>
    public int KeyOf(ReadOnlyMemory<byte> key) =>
        _keyNumbers.TryGetValue(Encoding.ASCII.GetString(key.Span), out var number)
            ? number
            : throw new ViolationException(
                "R8", $"Page {Number} has a key that nobody put: {Convert.ToHexString(key.Span)}.");

    /// <summary>A write was asked for.</summary>
    public void Add(Write write)
    {
        if (!write.IsDelete)
        {
            _puts.Add(write);
        }
        else if (_deletes.TryGetValue(write.Key, out var deletes))
        {
            deletes.Add(write);
        }
        else
        {
            _deletes.Add(write.Key, [write]);
        }
    }

    /// <summary>The write that a value is of, which must be one of this key, and one that may be seen.</summary>
    public Write Identify(int key, ReadOnlySpan<byte> value, string where)
    {
        var write = _run.Find(Write.IdOf(value));
        if (write is null || write.Page != Number || write.Key != key || !write.Matches(value))
        {
            throw new ViolationException(
                "R8", $"{where}: key {key} of page {Number} has a value of {value.Length} bytes that nobody put there" +
                $"{(write is null ? "" : $" (its id is that of {write})")}.");
        }

        return write.State == WriteState.Refused
            ? throw new ViolationException("R10", $"{where}: {write} was refused, and is there.")
            : write;
    }

    /// <summary>The write whose value is an object, which need not be here.</summary>
    public Write IdentifyObject(int key, ObjectId id, string where)
    {
        var write = _run.FindObject(id);
        if (write is null || write.Page != Number || write.Key != key)
        {
            throw new ViolationException(
                "R8", $"{where}: key {key} of page {Number} has an object that nobody put there: {id}.");
        }

        return write.State == WriteState.Refused
            ? throw new ViolationException("R10", $"{where}: {write} was refused, and is there.")
            : write;
    }

    /// <summary>The model of a commit and of all its ancestors; reads what it does not know yet.</summary>
    public async Task<CommitModel> LearnAsync(LedgerServices services, CommitId id)
    {
        var pending = new Stack<CommitId>([id]);
        while (pending.TryPeek(out var next))
        {
            if (_commits.ContainsKey(next))
            {
                pending.Pop();
                continue;
            }

            var commit = await services.Graph.ReadAsync(next, CancellationToken.None);
            var missing = commit.Parents.Where(parent => !_commits.ContainsKey(parent)).ToArray();
            if (missing.Length > 0)
            {
                foreach (var parent in missing)
                {
                    pending.Push(parent);
                }
            }
            else
            {
                var writes = commit.Parents.Count == 1 ? await ReadWritesAsync(services, commit) : [];
                Learn(commit, writes);
                pending.Pop();
            }
        }

        return _commits[id];
    }

    /// <summary>What a snapshot of a commit must have, when writers decide: write ids by key.</summary>
    public static SortedDictionary<int, long> Expected(CommitModel commit) => new(commit.Writers()
        .Where(pair => pair.Value.Id != 0).ToDictionary(pair => pair.Key, pair => pair.Value.Id));

    /// <summary>The root of the tree that these entries must have.</summary>
    public string RootOf(IReadOnlyDictionary<int, long> entries, TreeSalt salt)
    {
        var naive = entries.Select(pair =>
        {
            var write = _run.Find(pair.Value)!;
            var value = write.Value();
            return value.Length <= Write.InlineSizeBytesMax
                ? new NaiveEntry(_keys[pair.Key], write.IsLazy, value, null, value.Length)
                : new NaiveEntry(_keys[pair.Key], write.IsLazy, null, ObjectIdOf(value), value.Length);
        });
        return NaiveTree.Build(naive, salt.K0, salt.K1).RootHex;
    }

    /// <summary>Whether the model can say the root of these entries: no value is cut into chunks.</summary>
    public bool CanCompute(IReadOnlyDictionary<int, long> entries) =>
        entries.Values.All(id => _run.Find(id)!.SizeBytes <= 64 * 1024);

    /// <summary>
    /// Checks that in a state that has everything acknowledged before a moment, nothing of it was lost to something
    /// older.
    /// </summary>
    /// <param name="entries">The state: write ids by key.</param>
    /// <param name="before">The moment.</param>
    /// <param name="device">Whose writes must be in it; -1 for everybody's.</param>
    /// <param name="where">What the state is.</param>
    public void CheckNothingLost(IReadOnlyDictionary<int, long> entries, long before, int device, string where)
    {
        foreach (var write in _puts)
        {
            if (write.State != WriteState.Acknowledged || write.Ended >= before ||
                (device >= 0 && write.Device != device))
            {
                continue;
            }

            if (!entries.TryGetValue(write.Key, out var winner))
            {
                if (!IsDeleted(write))
                {
                    throw new ViolationException("R15", $"{where}: {write} is gone, and nobody deleted it.");
                }
            }
            else if (winner != write.Id)
            {
                var other = _run.Find(winner)!;

                // A put that was deleted before its journal was folded is in no commit, and hides nothing elsewhere.
                if (_run.IsLater(write, other) && !IsDeleted(write))
                {
                    throw new ViolationException("R15", $"{where}: {write} lost to the older {other}.");
                }

                if (write.Replaced == winner && DecidesWhatWasReplaced(write, other))
                {
                    throw new ViolationException(
                        "R15", $"{where}: {write}{PlacesOf(write)} lost to {other}{PlacesOf(other)}, which it " +
                        "replaced.");
                }
            }
        }

        CheckDeletes(entries, before, device, where);
    }

    /// <summary>
    /// Checks that every put that was acknowledged before a moment is in the history, unless its device replaced it.
    /// </summary>
    public void CheckReachable(CommitModel head, long before, int device, string where)
    {
        var reachable = new HashSet<long>();
        var seen = new HashSet<CommitModel> { head };
        var pending = new Stack<CommitModel>([head]);
        while (pending.TryPop(out var commit))
        {
            foreach (var (_, id) in commit.Writes)
            {
                reachable.Add(id);
            }

            foreach (var parent in commit.Parents)
            {
                if (seen.Add(parent))
                {
                    pending.Push(parent);
                }
            }
        }

        var byKey = _puts.Concat(_deletes.Values.SelectMany(list => list)).ToLookup(write => (write.Device, write.Key));
        foreach (var write in _puts)
        {
            if (write.State == WriteState.Acknowledged && write.Ended < before &&
                (device < 0 || write.Device == device) && !reachable.Contains(write.Id) &&
                !byKey[(write.Device, write.Key)].Concat(byKey[(write.Device, -1)]).Any(
                    other => other != write && other.Ended > write.Begun))
            {
                throw new ViolationException("R1", $"{where}: {write} is in no commit.");
            }
        }
    }

    private void CheckDeletes(IReadOnlyDictionary<int, long> entries, long before, int device, string where)
    {
        foreach (var (key, deletes) in _deletes)
        {
            if (key < 0 || !entries.TryGetValue(key, out var winner))
            {
                continue;
            }

            foreach (var delete in deletes)
            {
                if (delete.State == WriteState.Acknowledged && delete.Ended < before && delete.Replaced == winner &&
                    DecidesWhatWasReplaced(delete, _run.Find(winner)!) &&
                    (device < 0 || delete.Device == device))
                {
                    throw new ViolationException(
                        "R15", $"{where}: {_run.Find(winner)} is there although {delete} removed it.");
                }
            }
        }
    }

    // A merge that somebody asked for has written what it took, also what was replaced on a head that it did not know.
    private bool DecidesWhatWasReplaced(Write write, Write replaced) =>
        !_hasAuthoredMerges && (_run.DecidesByDevice || replaced.Device != write.Device);

    /// <summary>The commits that have a write, for a message.</summary>
    private string PlacesOf(Write write) => string.Concat(_commits.Values
        .Where(commit => commit.Writes.Any(pair => pair.Value == write.Id))
        .Select(commit => $", in {commit} of {string.Join(" and ", commit.Parents)}"));

    private static byte[] ObjectIdOf(byte[] value)
    {
        var key = new byte[32];
        var id = new byte[32];
        Blake3.DeriveContextKey("ledger 2026-11-21 object: value", key);
        Blake3.HashWithKey(key, value, id);
        return id;
    }

    /// <summary>Whether a delete may have taken a put away, or hidden that it ever was.</summary>
    /// <remarks>Put and deleted in one journal, it is in no commit, and what another head has is shown again.</remarks>
    public bool IsDeleted(Write write)
    {
        return (_deletes.TryGetValue(write.Key, out var deletes) && deletes.Exists(IsPossible)) ||
            (_deletes.TryGetValue(-1, out var clears) && clears.Exists(IsPossible));

        // An earlier delete on another head may be in a later commit, as an earlier put may.
        bool IsPossible(Write delete) => delete.State != WriteState.Refused && !_run.IsLater(write, delete);
    }

    private async Task<List<KeyValuePair<int, long>>> ReadWritesAsync(LedgerServices services, Commit commit)
    {
        var never = CancellationToken.None;
        var content = await services.Store.ReadRowAsync(RowKeys.Commit(Id, commit.Id), never)
            ?? throw new ViolationException("R6", $"Commit {commit.Id} of page {Number} has no row.");
        var row = CommitRow.Decode(content.Span);
        var writes = new List<KeyValuePair<int, long>>();
        await foreach (var (keyBytes, value) in services.Changes.ReadAsync(row.Changes, default, never))
        {
            var key = KeyOf(keyBytes);
            if (value is not { } entry)
            {
                writes.Add(new(key, 0));
                continue;
            }

            var where = $"commit {commit.Id}";
            writes.Add(new(key, (entry.IsInline
                ? Identify(key, entry.Inline.Span, where)
                : IdentifyObject(key, entry.Id, where)).Id));
        }

        return writes;
    }

    private void Learn(Commit commit, List<KeyValuePair<int, long>> writes)
    {
        if (_commits.ContainsKey(commit.Id))
        {
            return;
        }

        var device = commit.Author is { } author ? _run.DeviceOf(author.Device) : -1;
        CheckWhole(commit, device, writes);
        _hasAuthoredMerges |= device >= 0 && commit.Parents.Count > 1;
        if (device < 0 && commit.Parents.Count > 1)
        {
            // Devices that merge the same heads make the same commit.
            var parents = string.Join(' ', commit.Parents);
            if (!_merges.TryAdd(parents, commit.Id) && _merges[parents] != commit.Id)
            {
                throw new ViolationException(
                    "R14",
                    $"The heads {parents} of page {Number} were merged to {_merges[parents]} and to {commit.Id}.");
            }
        }

        _commits.Add(commit.Id, new CommitModel
        {
            Id = commit.Id,
            Root = commit.Root,
            Timestamp = commit.Timestamp,
            Generation = commit.Generation,
            Device = device,
            Parents = [.. commit.Parents.Select(parent => _commits[parent])],
            Writes = writes,
        });
    }

    /// <summary>A commit holds a transaction as a whole and nothing beside it, or no part of one.</summary>
    private void CheckWhole(Commit commit, int device, List<KeyValuePair<int, long>> writes)
    {
        TransactionModel? transaction = null;
        foreach (var (_, id) in writes)
        {
            if (id != 0 && _run.Find(id) is { Transaction: { } found } && found.Writes.Count > 0)
            {
                transaction ??= found;
            }
        }

        if (transaction is null || commit.Author is not { Message: null } || writes.Any(IsForeign))
        {
            return; // A fold, or a restoration of earlier values.
        }

        var present = writes.ToDictionary();
        foreach (var (key, write) in transaction.Writes)
        {
            var found = present.TryGetValue(key, out var id);
            if (write.IsDelete ? found && id != 0 : !found || id != write.Id)
            {
                throw new ViolationException(
                    "R2", $"Commit {commit.Id} has a part of transaction {transaction.Id}, but not {write}.");
            }
        }

        var more = writes.Where(pair => pair.Value != 0 && !transaction.Writes.ContainsKey(pair.Key)).ToArray();
        if (more.Length > 0)
        {
            throw new ViolationException(
                "R2", $"Commit {commit.Id} has transaction {transaction.Id} and {_run.Find(more[0].Value)}.");
        }

        bool IsForeign(KeyValuePair<int, long> pair) => pair.Value != 0 && _run.Find(pair.Value)!.Device != device;
    }
}
