using System.Buffers;
using System.Runtime.CompilerServices;
using Ledger.Codecs;

namespace Ledger.Streams.Typed;

/// <summary>One stream, whose payloads are values of one type. Cheap to make; safe from any thread.</summary>
/// <remarks>One entry that cannot be read fails the reading at that entry, not before it.</remarks>
/// <typeparam name="T">The values.</typeparam>
public sealed class TypedStream<T>
{
    private readonly IStreamStore _store;
    private readonly IEntryCodec<T> _codec;
    private readonly Schema _schema;

    /// <summary>Joins a stream and a codec.</summary>
    /// <param name="store">The store; it stays the caller's.</param>
    /// <param name="name">The stream, 1 to 512 characters.</param>
    /// <param name="codec">How values are written.</param>
    /// <param name="schema">The version that is written, and the way there; version 1 when null.</param>
    public TypedStream(IStreamStore store, string name, IEntryCodec<T> codec, Schema? schema = null)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(codec);
        StreamRules.Stream(name);
        (_store, Name, _codec, _schema) = (store, name, codec, schema ?? new Schema());
    }

    /// <summary>The stream's name.</summary>
    public string Name { get; }

    /// <summary>Appends values.</summary>
    /// <inheritdoc cref="IStreamStore.AppendAsync"/>
    public ValueTask<AppendResult> AppendAsync(
        IReadOnlyList<NewEntry<T>> entries, ExpectedEnd expectedEnd = default,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(entries);
        return _store.AppendAsync(Name, [.. entries.Select(Encode)], expectedEnd, cancellationToken);
    }

    /// <summary>Appends a value.</summary>
    /// <inheritdoc cref="IStreamStore.AppendAsync"/>
    public ValueTask<AppendResult> AppendAsync(
        NewEntry<T> entry, ExpectedEnd expectedEnd = default, CancellationToken cancellationToken = default) =>
        AppendAsync([entry], expectedEnd, cancellationToken);

    /// <summary>An entry as the store takes it, for appends to several streams.</summary>
    public NewEntry Encode(NewEntry<T> entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        var payload = new ArrayBufferWriter<byte>();
        _codec.Encode(entry.Value, payload);
        return new NewEntry(payload.WrittenMemory)
        {
            OrderKey = entry.OrderKey,
            DedupKey = entry.DedupKey,
            SourceId = entry.SourceId,
            Metadata = entry.Metadata,
            Tags = entry.Tags,
            CreatedAt = entry.CreatedAt,
            SchemaVersion = _schema.Version,
            SearchText = _codec.TextOf(payload.WrittenMemory),
        };
    }

    /// <summary>The value of an entry, brought to the schema's version.</summary>
    /// <exception cref="SchemaException">Its version is newer, has no way here, or the payload is damaged.</exception>
    public Entry<T> Decode(Entry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        try
        {
            return new Entry<T>(_codec.Decode(_schema.Upcast(entry.Payload, entry.SchemaVersion)), entry);
        }
        catch (SchemaException error)
        {
            throw new SchemaException(
                $"Entry {entry.Id} of stream '{entry.Stream}' cannot be read: {error.Message}", entry.SchemaVersion,
                error);
        }
    }

    /// <summary>Reads the stream.</summary>
    /// <inheritdoc cref="IStreamStore.ReadAsync"/>
    public IAsyncEnumerable<Entry<T>> ReadAsync(
        ReadOptions? options = null, CancellationToken cancellationToken = default) =>
        _store.ReadAsync(Name, options, cancellationToken).Select(Decode);

    /// <summary>Follows the stream.</summary>
    /// <inheritdoc cref="IStreamStore.SubscribeAsync"/>
    public async IAsyncEnumerable<StreamItem<Entry<T>>> SubscribeAsync(
        EntryId after = default, EntryFilter? filter = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await foreach (var item in _store.SubscribeAsync(Name, after, filter, cancellationToken))
        {
            yield return item switch
            {
                EntryItem<Entry> entry => new EntryItem<Entry<T>>(Decode(entry.Entry)),
                CheckpointItem<Entry> at => new CheckpointItem<Entry<T>>(at.Id, at.Position),
                _ => new CaughtUpItem<Entry<T>>(),
            };
        }
    }
}
