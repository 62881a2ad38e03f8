using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Ledger.Codecs;

namespace Ledger.Streams.Typed;

/// <summary>Ways to make a typed stream.</summary>
public static class TypedStreamExtensions
{
    /// <summary>A stream of JSON values.</summary>
    /// <param name="store">The store.</param>
    /// <param name="name">The stream.</param>
    /// <param name="type">How values are written; from a source-generated context.</param>
    /// <param name="schema">The version and the way there; version 1 when null.</param>
    public static TypedStream<T> Stream<T>(
        this IStreamStore store, string name, JsonTypeInfo<T> type, Schema? schema = null) =>
        new(store, name, new JsonEntryCodec<T>(type), schema);

    /// <summary>A stream of values in another form.</summary>
    /// <param name="store">The store.</param>
    /// <param name="name">The stream.</param>
    /// <param name="codec">How values are written.</param>
    /// <param name="schema">The version and the way there; version 1 when null.</param>
    public static TypedStream<T> Stream<T>(
        this IStreamStore store, string name, IEntryCodec<T> codec, Schema? schema = null) =>
        new(store, name, codec, schema);

    /// <summary>A stream of JSON values, written by reflection.</summary>
    /// <param name="store">The store.</param>
    /// <param name="name">The stream.</param>
    /// <param name="schema">The version and the way there; version 1 when null.</param>
    [RequiresUnreferencedCode("Reflection finds the members of T; give a JsonTypeInfo where the program is trimmed.")]
    [RequiresDynamicCode("Reflection finds the members of T; give a JsonTypeInfo where code cannot be made.")]
    public static TypedStream<T> Stream<T>(this IStreamStore store, string name, Schema? schema = null) =>
        store.Stream(name, (JsonTypeInfo<T>)JsonSerializerOptions.Web.GetTypeInfo(typeof(T)), schema);
}
