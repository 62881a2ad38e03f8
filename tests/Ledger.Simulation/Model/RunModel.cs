using Ledger.Commits;
using Ledger.Objects;

namespace Ledger.Simulation.Model;

/// <summary>How the pages of a run are merged.</summary>
internal enum PolicyKind
{
    /// <summary>By the newest writer of each key.</summary>
    LastOneWins,

    /// <summary>Conflicts by a resolver, everything else by what changed.</summary>
    Fallback,

    /// <summary>Everything by a resolver.</summary>
    Custom,

    /// <summary>Only when somebody asks for it.</summary>
    None,
}

/// <summary>All writes of a run.</summary>
internal sealed class RunModel
{
    private readonly List<Write?> _writes = [null];
    private readonly Dictionary<DeviceId, int> _devices = [];
    private readonly Dictionary<int, DeviceId> _names = [];
    private readonly Dictionary<ObjectId, Write> _objects = [];

    // By device: writes that are not answered, or that power loss may take. They are looked at with every flush.
    private readonly Dictionary<int, List<Write>> _open = [];
    private long _events;
    private long _transactions;

    /// <summary>How the pages are merged.</summary>
    public PolicyKind Policy { get; init; }

    /// <summary>True when a key's newest writer decides every merge.</summary>
    public bool WritersDecide => Policy is PolicyKind.LastOneWins or PolicyKind.None;

    /// <summary>True when of two writes of one device the later one always wins.</summary>
    /// <remarks>
    /// Writes on two heads are compared by their commits, and a journal's commit has the time of its last write. Where
    /// the disk is slow, heads live long enough for an earlier write to be in the later commit.
    /// </remarks>
    public bool DecidesByDevice { get; init; }

    /// <summary>Events for which a device may have two heads side by side, where the disk is fast.</summary>
    public long TwoHeadsMax { get; init; }

    /// <summary>Counts an event: later ones have greater numbers.</summary>
    public long Tick() => ++_events;

    /// <summary>Whether of two writes of a key the later one wins for sure, because one device made both.</summary>
    public bool IsLater(Write write, Write other) =>
        DecidesByDevice && other.Device == write.Device && other.Ended < write.Begun - TwoHeadsMax;

    /// <summary>A device told its id.</summary>
    /// <returns>The one that it had before; null for none, or the same.</returns>
    public DeviceId? Know(DeviceId device, int number)
    {
        if (_names.TryGetValue(number, out var before) && before == device)
        {
            return null;
        }

        _devices[device] = number;
        _names[number] = device;
        return before == default ? null : before;
    }

    /// <summary>Whether an id is, or was, that of a device.</summary>
    public bool IsOf(DeviceId device, int number) => _devices.TryGetValue(device, out var known) && known == number;

    /// <summary>The number of the device with an id.</summary>
    public int DeviceOf(DeviceId device) => _devices.TryGetValue(device, out var number)
        ? number
        : throw new Worlds.ViolationException("R34", $"A commit names the device {device}, which does not exist.");

    /// <summary>The write with an id, or null when there is none.</summary>
    public Write? Find(long id) => id > 0 && id < _writes.Count ? _writes[(int)id] : null;

    /// <summary>The write whose value is an object, or null when there is none.</summary>
    public Write? FindObject(ObjectId id) => _objects.GetValueOrDefault(id);

    /// <summary>A write is asked for.</summary>
    public Write Begin(
        PageModel page, int device, int key, int sizeBytes, bool isLazy = false, long replaced = 0,
        TransactionModel? transaction = null)
    {
        var write = new Write
        {
            Id = _writes.Count,
            Device = device,
            Page = page.Number,
            Key = key,
            SizeBytes = sizeBytes,
            IsLazy = isLazy,
            Replaced = replaced,
            Transaction = transaction,
            Begun = Tick(),
        };
        _writes.Add(write);
        OpenOf(device).Add(write);
        if (sizeBytes > Write.InlineSizeBytesMax)
        {
            _objects.Add(ObjectId.Of(ObjectKind.Value, write.Value()), write);
        }

        page.Add(write);
        return write;
    }

    /// <summary>A transaction is begun.</summary>
    public TransactionModel BeginTransaction() => new(++_transactions);

    /// <summary>A write is answered.</summary>
    public void End(Write write, WriteState state, bool isFragile = false)
    {
        write.State = state;
        write.Ended = Tick();
        write.IsFragile = isFragile && state == WriteState.Acknowledged;
        if (!write.IsFragile)
        {
            OpenOf(write.Device).Remove(write);
        }
    }

    /// <summary>A device flushed all that it had acknowledged before a moment.</summary>
    public void Flushed(int device, long begun) => OpenOf(device).RemoveAll(write =>
    {
        var isSafe = write.IsFragile && write.Ended < begun;
        write.IsFragile &= !isSafe;
        return isSafe;
    });

    /// <summary>A device is what it was at a moment: what it did since is elsewhere, or nowhere.</summary>
    public void Restored(int device, long moment)
    {
        foreach (var write in _writes)
        {
            if (write?.Device == device && write.Ended > moment && write.State != WriteState.Refused)
            {
                (write.State, write.Ended, write.IsFragile) = (WriteState.Unknown, long.MaxValue, false);
            }
        }

        OpenOf(device).Clear();
    }

    /// <summary>A device died.</summary>
    /// <param name="device">Its number.</param>
    /// <param name="isPowerLost">What was not on the disk may be gone.</param>
    public void Died(int device, bool isPowerLost)
    {
        var now = Tick();
        OpenOf(device).RemoveAll(write =>
        {
            if (write.State == WriteState.Pending)
            {
                (write.State, write.Ended) = (WriteState.Unknown, now);
            }
            else if (isPowerLost)
            {
                (write.State, write.IsFragile) = (WriteState.Unknown, false);
            }

            return !write.IsFragile;
        });
    }

    private List<Write> OpenOf(int device)
    {
        if (!_open.TryGetValue(device, out var open))
        {
            _open.Add(device, open = []);
        }

        return open;
    }
}
