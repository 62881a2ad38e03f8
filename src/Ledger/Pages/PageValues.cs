using System.IO.Pipelines;
using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Trees;

namespace Ledger.Pages;

/// <summary>Reads and writes the values of a ledger's entries. Safe for concurrent use.</summary>
/// <param name="runtime">The seams.</param>
/// <param name="store">Where values are.</param>
/// <param name="chunker">Cuts large values, the same way in the whole ledger.</param>
internal sealed class PageValues(LedgerRuntime runtime, IObjectStore store, ContentChunker chunker)
{
    /// <summary>Longest value that is given or taken at once: 1 MiB.</summary>
    public const int DirectSizeBytesMax = 1024 * 1024;

    /// <summary>True when commits came from elsewhere: values of older commits may not be here.</summary>
    public bool IsPartial { get; set; }

    /// <summary>Refuses a value that must be streamed.</summary>
    /// <exception cref="ValueTooLargeException">It is larger than 1 MiB.</exception>
    public static void CheckDirect(ReadOnlyMemory<byte> value)
    {
        if (value.Length > DirectSizeBytesMax)
        {
            throw new ValueTooLargeException(value.Length, DirectSizeBytesMax);
        }
    }

    /// <summary>Makes a value of bytes; those of a short one are kept, not copied.</summary>
    public async ValueTask<EntryValue> WriteAsync(
        IObjectWriter lease, ReadOnlyMemory<byte> bytes, EntryPriority priority, CancellationToken cancellationToken)
    {
        if (bytes.Length <= TreeProfile.InlineSizeBytesMax)
        {
            return EntryValue.OfInline(bytes, priority);
        }

        var written = await Writer(lease).WriteAsync(bytes, cancellationToken);
        return EntryValue.OfObject(written.Id, written.SizeBytes, priority);
    }

    /// <summary>Streams a value into a lease.</summary>
    public ValueTask<WrittenValue> WriteAsync(
        IObjectWriter lease, Stream content, long? sizeBytes, CancellationToken cancellationToken) =>
        Writer(lease).WriteAsync(content, sizeBytes, cancellationToken);

    /// <summary>Streams a value into a lease.</summary>
    public ValueTask<WrittenValue> WriteAsync(
        IObjectWriter lease, PipeReader content, long? sizeBytes, CancellationToken cancellationToken) =>
        Writer(lease).WriteAsync(content, sizeBytes, cancellationToken);

    /// <summary>The whole value.</summary>
    /// <exception cref="ValueTooLargeException">It is larger than 1 MiB.</exception>
    /// <exception cref="MissingObjectException">It is not here.</exception>
    public ValueTask<ReadOnlyMemory<byte>> ReadAsync(EntryValue value, CancellationToken cancellationToken) =>
        value.IsInline ? new(value.Inline) : Reader(value).ReadAllAsync(DirectSizeBytesMax, cancellationToken);

    /// <summary>Part of a value.</summary>
    /// <param name="value">The value.</param>
    /// <param name="offset">
    /// Where it begins; negative counts from the end. Outside the value the result is empty.
    /// </param>
    /// <param name="length">At most so many bytes; negative for all of the rest.</param>
    /// <param name="cancellationToken">Cancels the read.</param>
    /// <exception cref="ValueTooLargeException">The part is larger than 1 MiB.</exception>
    public async ValueTask<ReadOnlyMemory<byte>> ReadRangeAsync(
        EntryValue value, long offset, long length, CancellationToken cancellationToken)
    {
        var start = offset < 0 ? value.SizeBytes + offset : offset;
        if (start < 0 || start >= value.SizeBytes)
        {
            return ReadOnlyMemory<byte>.Empty;
        }

        var rest = value.SizeBytes - start;
        var count = length < 0 ? rest : Math.Min(length, rest);
        if (count > DirectSizeBytesMax)
        {
            throw new ValueTooLargeException(count, DirectSizeBytesMax);
        }

        var part = new byte[count];
        await Reader(value).ReadAsync(start, part, cancellationToken);
        return part;
    }

    /// <summary>A seekable stream of a value; nothing is read yet.</summary>
    public Stream OpenRead(EntryValue value) => new ValueStream(runtime, Reader(value));

    /// <summary>The entry as a reader sees it.</summary>
    /// <exception cref="MissingObjectException">The value must be here and is not.</exception>
    public ValueTask<Entry> ToEntryAsync(
        ReadOnlyMemory<byte> key, EntryValue value, CancellationToken cancellationToken) =>
        TryToEntry(new TreeEntry(key, value), out var entry)
            ? new ValueTask<Entry>(entry)
            : ReadEntryAsync(key, value, cancellationToken);

    /// <summary>An entry as a reader sees it, if the value is in the tree itself.</summary>
    public static bool TryToEntry(in TreeEntry entry, out Entry shown)
    {
        var (key, value) = entry;
        shown = value.IsInline
            ? new Entry(key, value.Inline, value.SizeBytes, value.Priority, ValueState.Here)
            : default;
        return value.IsInline;
    }

    private async ValueTask<Entry> ReadEntryAsync(
        ReadOnlyMemory<byte> key, EntryValue value, CancellationToken cancellationToken)
    {
        if (value.SizeBytes > DirectSizeBytesMax)
        {
            var isHere = (value.Priority == EntryPriority.Eager && !IsPartial) ||
                await store.ReadAsync(ObjectKind.ValueIndex, value.Id, cancellationToken) is not null;
            return new Entry(
                key, null, value.SizeBytes, value.Priority, isHere ? ValueState.Large : ValueState.NeedsFetch);
        }

        try
        {
            var bytes = await ReadAsync(value, cancellationToken);
            return new Entry(key, bytes, value.SizeBytes, value.Priority, ValueState.Here);
        }
        catch (MissingObjectException) when (value.Priority == EntryPriority.Lazy || IsPartial)
        {
            return new Entry(key, null, value.SizeBytes, value.Priority, ValueState.NeedsFetch);
        }
    }

    /// <summary>How a key differs between two states, as a reader sees it.</summary>
    public async ValueTask<EntryChange> ToChangeAsync(TreeDifference difference, CancellationToken cancellationToken)
    {
        Entry? before = difference.Before is { } old
            ? await ToEntryAsync(difference.Key, old, cancellationToken)
            : null;
        Entry? after = difference.After is { } present
            ? await ToEntryAsync(difference.Key, present, cancellationToken)
            : null;
        return new EntryChange(difference.Key, before, after);
    }

    private ValueReader Reader(EntryValue value) =>
        value.IsInline ? new ValueReader(value.Inline) : new ValueReader(store, value.Id, value.SizeBytes);

    private ValueWriter Writer(IObjectWriter lease) =>
        new(runtime, chunker, lease, TreeProfile.InlineSizeBytesMax, TreeProfile.ValueSizeBytesMax);
}
