using System.Text;
using Ledger.Commits;
using Ledger.Objects;
using Ledger.Pages;
using Ledger.Runtime;
using Ledger.Simulation.Model;
using Ledger.Simulation.Worlds;
using Ledger.Sync;
using Ledger.Trees;

namespace Ledger.Simulation.Workload;

/// <summary>What the cloud of a run does that no honest one does.</summary>
internal enum Malice
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>It is erased, restored, or rolled back.</summary>
    Loses,

    /// <summary>It gives entries out in another order.</summary>
    Reorders,

    /// <summary>It keeps entries back from one device and gives later ones, or changes them.</summary>
    Withholds,

    /// <summary>Somebody who has the keys appends what cannot be applied.</summary>
    Misleads,
}

/// <summary>Attacks of the cloud, as the seed decides.</summary>
internal sealed class CloudAttacks
{
    private readonly Run _run;
    private readonly CloudNetwork _network;
    private readonly Random _random;
    private readonly SyncKeys _keys = new(Session.Secret.Span, Session.Secret.Span, 0, "app");
    private readonly HashSet<int> _losses = [];
    private readonly DeviceId _liar = new(UInt128.MaxValue - 1);
    private long _end;
    private long _lies;
    private UInt128 _lastLie;

    public CloudAttacks(Run run, CloudNetwork network)
    {
        (_run, _network) = (run, network);
        _random = new Random(network.Random.Next());
        if (Malice == Malice.Loses)
        {
            for (var count = _random.Next(1, 4); count > 0; count--)
            {
                _losses.Add(_random.Next(run.Options.Operations));
            }
        }
    }

    /// <summary>The name under which lies are told.</summary>
    public DeviceId Liar => _liar;

    private Malice Malice => _run.Options.Malice;

    /// <summary>An operation begins: perhaps the cloud loses something.</summary>
    public void OnOperation(int number)
    {
        if (!_losses.Remove(number))
        {
            return;
        }

        switch (_random.Next(4))
        {
            case 0:
                _network.Cloud.Erase();
                _end = 0;
                break;
            case 1:
                _network.Cloud.Restore();
                break;
            default:
                _end = Math.Max(0, _end - (long)Math.Pow(_end + 1, _random.NextDouble()));
                _network.Cloud.RollBack(_keys.Ledger, new FeedPosition(_end));
                break;
        }

        _run.Sealed.Lose();
        _run.Say($"the cloud loses: its feed ends at {_end}");
    }

    /// <summary>An append was done.</summary>
    public void Appended(AppendResult result) =>
        _end = Math.Max(_end, result.Positions.Max(position => position.Value));

    /// <summary>Entries are on their way into the feed.</summary>
    public async ValueTask BeforeAppendAsync(PageName page, IReadOnlyList<CloudEntry> entries)
    {
        CheckBlobs(page, entries);
        if (Malice == Malice.Misleads && !_run.IsHealing && _random.Next(12) == 0)
        {
            var lie = MakeLie();
            _run.Say($"entry {lie.Id} is a lie");
            await _network.Cloud.AppendAsync(
                _keys.Ledger, _keys.NameOf(PageId.Root), [lie], null, CancellationToken.None);
        }
    }

    /// <summary>Entries are given to a device.</summary>
    public CloudEvent.Entries Deliver(Given given, CloudIncarnation incarnation, CloudEvent.Entries entries)
    {
        List<FeedEntry> items = [.. entries.Items.Select(given.InItsPlace)];
        if (Malice == Malice.Reorders && !_run.IsHealing && items.Count > 2 && _random.Next(2) == 0)
        {
            Shuffle(items, given);
        }

        var result = new List<FeedEntry>();
        foreach (var item in items)
        {
            var fate = Malice == Malice.Withholds && !_run.IsHealing && !given.IsOwn(item.Entry.Device) &&
                _random.Next(25) == 0
                ? (Fate)_random.Next(1, 3)
                : Fate.Whole;
            given.Add(item, incarnation, fate);
            if (fate != Fate.Dropped)
            {
                result.Add(fate == Fate.Whole ? item : item with { Entry = Damage(item.Entry) });
            }

            if (fate != Fate.Whole)
            {
                _run.Say($"entry {item.Entry.Id} at {item.Position}: {fate}");
            }
        }

        return entries with { Items = result };
    }

    // The last stays where it is: it is the anchor, which the cloud is asked for again.
    private void Shuffle(List<FeedEntry> items, Given given)
    {
        for (var index = items.Count - 2; index > 0; index--)
        {
            var other = _random.Next(index + 1);
            var (left, right) = (items[index], items[other]);
            items[index] = right with { Position = left.Position };
            items[other] = left with { Position = right.Position };
        }

        items.ForEach(given.Place);
    }

    private CloudEntry Damage(CloudEntry entry)
    {
        var content = entry.Content.ToArray();
        content[_random.Next(content.Length)] ^= (byte)(1 << _random.Next(8));
        return entry with { Content = content };
    }

    /// <summary>What an entry names is in the cloud before it.</summary>
    private void CheckBlobs(PageName page, IReadOnlyList<CloudEntry> entries)
    {
        // What is erased between the blobs and the entry is missing for a reason.
        if (Malice == Malice.Loses)
        {
            return;
        }

        foreach (var value in entries.SelectMany(entry => SealedEntries.ListObjects(_keys, page, entry)))
        {
            var kind = value.SizeBytes <= Write.ObjectSizeBytesMax ? ObjectKind.Value : ObjectKind.ValueIndex;
            if (_network.Cloud.LeaseOf(_keys.NameOf(kind, value.Id)) is null)
            {
                throw new ViolationException(
                    "R20", $"An entry names the value {value.Id}, which the cloud does not have.");
            }
        }
    }

    /// <summary>A batch whose commit does not have the root that its change leads to.</summary>
    private CloudEntry MakeLie()
    {
        var genesis = Commit.Genesis;
        var commit = Commit.Create(new CommitFields
        {
            Root = ObjectId.Of(ObjectKind.Value, BitConverter.GetBytes(_lies)),
            Parents = [genesis.Id],
            Generation = 1,
            Timestamp = new HybridTimestamp(1UL << 16),
            SkipLink = genesis.Id,
            Author = new Authorship(_liar, 1, 0, null),
        });
        var writer = new BatchWriter(1, _liar);
        writer.BeginCommit(commit, genesis.Id);
        writer.Add(new TreeChange(
            _run.Pages[0].KeyBytes(0), EntryValue.OfInline(Encoding.ASCII.GetBytes("a lie"))));
        writer.EndCommit();
        var bytes = new byte[EntryId.SizeBytes];
        _random.NextBytes(bytes);
        var id = EntryId.Read(bytes);
        var header = new EntryHeader(
            EntryKind.Batch, _keys.NameOf(PageId.Root), id, _liar, _lies, _lastLie);
        var content = EntrySeal.Seal(_keys, _run.Supervisor, header, writer.Finish()[0]);
        _lastLie = EntrySeal.HashOf(content);
        return new CloudEntry(id, _liar, _lies++, content);
    }
}

/// <summary>What became of an entry on its way to a device.</summary>
internal enum Fate
{
    /// <summary>It came as it was.</summary>
    Whole,

    /// <summary>It did not come.</summary>
    Dropped,

    /// <summary>It came damaged.</summary>
    Damaged,
}

/// <summary>What a device was given of the feed, up to where it says that it has taken it in.</summary>
/// <param name="run">The run.</param>
/// <param name="number">Number of the device.</param>
internal sealed class Given(Run run, int number)
{
    private readonly Dictionary<long, FeedEntry> _placed = [];
    private readonly SortedDictionary<long, (CloudIncarnation Incarnation, CloudEntry Entry, Fate Fate)> _entries = [];

    /// <summary>What a copy of the device was given.</summary>
    public Given Copy()
    {
        var copy = new Given(run, number);
        foreach (var (position, entry) in _placed)
        {
            copy._placed.Add(position, entry);
        }

        foreach (var (position, entry) in _entries)
        {
            copy._entries.Add(position, entry);
        }

        return copy;
    }

    /// <summary>A position has this entry from now on, whenever it is given.</summary>
    public void Place(FeedEntry entry) => _placed[entry.Position.Value] = entry;

    /// <summary>What is given at the position of an entry.</summary>
    public FeedEntry InItsPlace(FeedEntry entry) => _placed.GetValueOrDefault(entry.Position.Value, entry);

    /// <summary>What is given when a device reads some pages once more.</summary>
    public CloudEvent.Entries Again(CloudEvent.Entries entries, IReadOnlySet<PageName> pages) => entries with
    {
        Items = [.. entries.Items.Select(InItsPlace).Where(item => pages.Contains(item.Page))],
    };

    /// <summary>Whether a name is one of the device's own.</summary>
    public bool IsOwn(DeviceId device) => run.Model.IsOf(device, number);

    /// <summary>An entry is given, or kept back.</summary>
    public void Add(FeedEntry entry, CloudIncarnation incarnation, Fate fate) =>
        _entries[entry.Position.Value] = (incarnation, entry.Entry, fate);

    /// <summary>The device connects from a position: what is behind it will come again.</summary>
    /// <returns>Whether the cloud has what the device took in last.</returns>
    public bool Fits(FeedPosition after, CloudIncarnation incarnation, EntryId? found)
    {
        foreach (var position in _entries.Keys.Where(position => position > after.Value).ToArray())
        {
            _entries.Remove(position);
        }

        if (after == FeedPosition.Start)
        {
            _placed.Clear();
            return true;
        }

        return _entries.TryGetValue(after.Value, out var last) && last.Incarnation == incarnation &&
            last.Entry.Id == found;
    }

    /// <summary>What was kept back or damaged has been noticed, where it could be.</summary>
    public void CheckNoticed(SyncStatus status)
    {
        if (status.Problems.Count >= 100)
        {
            return;
        }

        foreach (var (position, (_, entry, fate)) in _entries)
        {
            var isFollowed = _entries.Any(
                later => later.Key > position && later.Value.Entry.Device == entry.Device &&
                    later.Value.Fate == Fate.Whole);
            var isNoticed = fate switch
            {
                Fate.Dropped => !isFollowed || status.Problems.Any(problem =>
                    problem.Kind is SyncProblemKind.MissingEntries or SyncProblemKind.Forked &&
                    problem.Message.Contains(entry.Device.ToString(), StringComparison.Ordinal)),
                Fate.Damaged => status.Problems.Any(problem =>
                    problem.Kind == SyncProblemKind.Quarantined &&
                    problem.Message.Contains(entry.Id.ToString(), StringComparison.Ordinal)),
                _ => true,
            };
            if (!isNoticed)
            {
                throw new ViolationException(
                    "R34", $"Entry {entry.Id} of device {entry.Device} came to device {number} {fate}, and it says " +
                    $"nothing of it: {string.Join(' ', status.Problems.Select(problem => problem.Message))}");
            }
        }
    }
}
