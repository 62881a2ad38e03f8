using Ledger.Objects;
using Ledger.Pages;
using Ledger.Simulation.Model;
using Ledger.Simulation.Worlds;
using Ledger.Trees;

namespace Ledger.Simulation.Workload;

/// <summary>Somebody who uses a page of a device, one operation after the other, beside others who do too.</summary>
internal sealed partial class Actor(Session session, PageModel page)
{
    private const int SnapshotsMax = 3;

    private readonly Run _run = session.Run;
    private readonly Random _random = new(session.Random.Next());
    private readonly Dictionary<int, Write> _own = [];
    private readonly List<HeldSnapshot> _snapshots = [];
    private IPage _page = null!;

    private string Where => $"device {session.Device.Number}, page {page.Number}";

    private int Device => session.Device.Number;

    /// <summary>Works until there have been enough operations, or the program ends.</summary>
    public async Task RunAsync()
    {
        _page = await session.Ledger.GetPageAsync(page.Id);
        while (!session.IsEnding && _run.Take())
        {
            await StepAsync();
        }

        foreach (var held in _snapshots)
        {
            await held.CheckAsync(page, Where);
        }

        await _page.DisposeAsync();
    }

    private async Task StepAsync()
    {
        var choice = _random.Next(1000);
        _run.World.Trace(42, (ulong)choice);
        switch (choice)
        {
            case < 380:
                await PutAsync();
                break;
            case < 560:
                await GetAsync();
                break;
            case < 640:
                await DeleteAsync();
                break;
            case < 643:
                await ClearAsync();
                break;
            case < 760:
                await TransactAsync();
                break;
            case < 850:
                await ReadSnapshotAsync();
                break;
            case < 880:
                await ReadHistoryAsync();
                break;
            case < 885:
                await Checks.PageAsync(session, page, _page, "now");
                break;
            case < 960:
                await session.Runtime.Delay(
                    TimeSpan.FromMilliseconds(Math.Pow(10, _random.NextDouble() * 3.6)), CancellationToken.None);
                break;
            default:
                await ManageAsync(choice - 960);
                break;
        }
    }

    private async Task PutAsync()
    {
        var key = _random.Next(page.KeyCount);
        var seen = _random.Next(2) == 0 ? await SeeAsync(key) : null;
        var sizeBytes = PickSize();
        var isLazy = PickLazy(sizeBytes);
        var write = _run.Model.Begin(page, Device, key, sizeBytes, isLazy, seen?.Id ?? 0);
        var durability = PickDurability();
        var isReference = write.SizeBytes > 600 && _random.Next(2) == 0;
        var priority = isLazy ? EntryPriority.Lazy : EntryPriority.Eager;
        var isDone = await EndAsync([write], durability, async () =>
        {
            if (isReference)
            {
                var reference = await _page.CreateReferenceAsync(write.Value(), write.SizeBytes);
                await _page.PutReferenceAsync(page.KeyBytes(key), reference, priority, durability);
            }
            else
            {
                await _page.PutAsync(page.KeyBytes(key), write.Value(), priority, durability);
            }
        });
        if (isDone)
        {
            _own[key] = write;
        }
    }

    private async Task DeleteAsync()
    {
        var key = _random.Next(page.KeyCount);
        var seen = await SeeAsync(key);
        var write = _run.Model.Begin(page, Device, key, sizeBytes: -1, replaced: seen?.Id ?? 0);
        var durability = PickDurability();
        _own.Remove(key);
        await EndAsync([write], durability, () => _page.DeleteAsync(page.KeyBytes(key), durability));
    }

    private async Task ClearAsync()
    {
        var write = _run.Model.Begin(page, Device, key: -1, sizeBytes: -1);
        _own.Clear();
        await EndAsync([write], Durability.Flushed, () => _page.ClearAsync(Durability.Flushed));
    }

    private async Task GetAsync() => await SeeAsync(_random.Next(page.KeyCount));

    /// <summary>Reads a key, and checks what it is as far as one reader can know.</summary>
    private async Task<Write?> SeeAsync(int key)
    {
        // What others of this device write meanwhile may hide it.
        var own = _own.GetValueOrDefault(key);
        var value = await ReadAsync(key, _page.GetAsync);
        var seen = value is { } bytes ? page.Identify(key, bytes.Span, Where) : null;
        if (own is not null && seen is not null && _run.Model.IsLater(own, seen) && !page.IsDeleted(own))
        {
            throw new ViolationException("R8", $"{Where}: a connection that made {own} sees the older {seen}.");
        }

        _run.World.Trace(43, (ulong)(seen?.Id ?? 0));
        return seen;
    }

    /// <summary>Reads a value; a lazy one that is not here is asked for at times.</summary>
    private async Task<ReadOnlyMemory<byte>?> ReadAsync(
        int key, Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask<ReadOnlyMemory<byte>?>> read)
    {
        try
        {
            return await read(page.KeyBytes(key), CancellationToken.None);
        }
        catch (MissingObjectException) when (_run.Options.Fetches && !session.Life.IsDead)
        {
            _run.World.Trace(45, (ulong)key);
        }

        if (_random.Next(2) == 0)
        {
            await using var snapshot = await _page.GetSnapshotAsync();
            if (await snapshot.FindAsync(page.KeyBytes(key)) is { State: ValueState.NeedsFetch } entry)
            {
                await Checks.FetchAsync(page, snapshot, entry, Where);
            }
        }

        return null;
    }

    private int PickSize() => _random.Next(200) switch
    {
        < 150 => 8 + _random.Next(60),
        < 190 => 200 + _random.Next(500),
        < 199 => 500 + _random.Next(3000),
        _ => _random.Next(4) == 0 ? Write.ObjectSizeBytesMax : 20_000,
    };

    // Lazy values of other devices are not here unless they are short, or were fetched.
    private bool PickLazy(int sizeBytes) =>
        (!_run.Options.HasCloud || _run.Options.Fetches || sizeBytes <= Write.InlineSizeBytesMax) &&
        _random.Next(8) == 0;

    private Durability PickDurability() =>
        _random.NextDouble() < _run.Options.Buffered ? Durability.Buffered : Durability.Flushed;

    /// <summary>Runs what writes, and notes how it ended.</summary>
    /// <returns>True when it was acknowledged.</returns>
    private async Task<bool> EndAsync(IReadOnlyCollection<Write> writes, Durability durability, Func<Task> work)
    {
        var begun = _run.Model.Tick();
        var state = WriteState.Acknowledged;
        try
        {
            await work();
        }
        catch (StoreUnavailableException problem) when (!session.Life.IsDead)
        {
            _run.Say($"device {Device}: refused: {problem.Message}");
            state = WriteState.Refused;
            RecoverDisk(problem);
        }
        catch (OutcomeUnknownException problem) when (!session.Life.IsDead)
        {
            _run.Say($"device {Device}: unknown: {problem.Message}");
            state = WriteState.Unknown;
            session.IsEnding = true;
        }

        foreach (var write in writes)
        {
            _run.Model.End(write, state, durability == Durability.Buffered);
            _run.Say(write);
        }

        // What changes nothing writes nothing, and then there is nothing to flush.
        if (state == WriteState.Acknowledged && durability == Durability.Flushed &&
            writes.Any(static write => !write.IsDelete))
        {
            _run.Model.Flushed(Device, begun);
        }

        return state == WriteState.Acknowledged;
    }

    private void RecoverDisk(StoreUnavailableException problem)
    {
        if (problem.Reason == StoreUnavailableReason.DiskFull)
        {
            if (_random.Next(5) == 0)
            {
                session.Device.Disk.Faults.FreeSpace();
            }
        }
        else
        {
            session.IsEnding = true;
        }
    }
}
