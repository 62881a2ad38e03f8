using System.Buffers.Binary;
using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Trees;

namespace Ledger.Pages;

/// <summary>
/// Values that were streamed in and are not under a key yet: in memory, for one ledger. Safe for concurrent use.
/// </summary>
/// <remarks>
/// Not bounded: each costs a few hundred bytes, and its objects are leased, until it is put or released.
/// </remarks>
/// <param name="runtime">Where names come from.</param>
internal sealed class ReferenceTable(LedgerRuntime runtime) : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly Dictionary<Reference, ReferencedValue> _values = [];
    private readonly List<Task> _ending = [];

    /// <summary>Names a value.</summary>
    public Reference Add(ReferencedValue value)
    {
        Span<byte> name = stackalloc byte[16];
        runtime.Random.Fill(name);
        var reference = new Reference(BinaryPrimitives.ReadUInt128BigEndian(name));
        lock (_gate)
        {
            _values.Add(reference, value);
        }

        return reference;
    }

    /// <summary>A value that stays under its name; the caller is one holder more.</summary>
    /// <exception cref="UnknownReferenceException">There is none of that name.</exception>
    public ReferencedValue Find(Reference reference)
    {
        lock (_gate)
        {
            return _values.TryGetValue(reference, out var value)
                ? value.Hold()
                : throw new UnknownReferenceException(reference);
        }
    }

    /// <summary>Takes a value out; the caller disposes of it, or puts it back.</summary>
    /// <exception cref="UnknownReferenceException">There is none of that name.</exception>
    public ReferencedValue Take(Reference reference)
    {
        lock (_gate)
        {
            return _values.Remove(reference, out var value)
                ? value
                : throw new UnknownReferenceException(reference);
        }
    }

    /// <summary>Puts back what was taken and not used after all.</summary>
    public void PutBack(Reference reference, ReferencedValue value)
    {
        lock (_gate)
        {
            _values.Add(reference, value);
        }
    }

    /// <summary>Takes a value out, if it is there.</summary>
    public ReferencedValue? TryTake(Reference reference)
    {
        lock (_gate)
        {
            return _values.Remove(reference, out var value) ? value : null;
        }
    }

    /// <summary>Lets go of a value.</summary>
    /// <returns>False when there is none of that name.</returns>
    public bool Release(Reference reference)
    {
        if (TryTake(reference) is not { } value)
        {
            return false;
        }

        var ending = value.DisposeAsync().AsTask();
        if (!ending.IsCompletedSuccessfully)
        {
            lock (_gate)
            {
                _ending.Add(ending);
            }
        }

        return true;
    }

    /// <summary>Lets go of everything.</summary>
    public async ValueTask DisposeAsync()
    {
        Reference[] names;
        lock (_gate)
        {
            names = [.. _values.Keys];
        }

        foreach (var name in names)
        {
            Release(name);
        }

        Task[] ending;
        lock (_gate)
        {
            ending = [.. _ending];
            _ending.Clear();
        }

        foreach (var each in ending)
        {
            await each;
        }
    }
}

/// <summary>
/// A value in the store, protected from collection by the lease that wrote it while somebody holds it.
/// </summary>
/// <param name="value">What was written.</param>
/// <param name="lease">Ends when the last holder disposes of this.</param>
internal sealed class ReferencedValue(WrittenValue value, IObjectWriter lease) : IAsyncDisposable
{
    private int _holders = 1;

    /// <summary>One holder more, who disposes of this once more.</summary>
    public ReferencedValue Hold()
    {
        Interlocked.Increment(ref _holders);
        return this;
    }

    /// <summary>What an entry holds.</summary>
    public EntryValue ToEntryValue(EntryPriority priority) => value.IsInline
        ? EntryValue.OfInline(value.Inline, priority)
        : EntryValue.OfObject(value.Id, value.SizeBytes, priority);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() =>
        Interlocked.Decrement(ref _holders) == 0 ? lease.DisposeAsync() : ValueTask.CompletedTask;
}
