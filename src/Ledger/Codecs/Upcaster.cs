using System.Collections.Immutable;

namespace Ledger.Codecs;

/// <summary>Brings payloads of one version of a schema to a later one. Pure: the same bytes give the same.</summary>
public sealed class Upcaster
{
    private readonly Func<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>> _change;

    /// <summary>A step that is a function.</summary>
    /// <param name="from">The version it takes, 1 or more.</param>
    /// <param name="to">The version it gives, later than the other; it may be several later.</param>
    /// <param name="change">The function; it must not keep the bytes it is given.</param>
    public Upcaster(int from, int to, Func<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>> change)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(from);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(to, from);
        ArgumentNullException.ThrowIfNull(change);
        (From, To, _change) = (from, to, change);
    }

    /// <summary>A step that changes fields of JSON objects.</summary>
    /// <param name="from">The version it takes, 1 or more.</param>
    /// <param name="to">The version it gives, later than the other.</param>
    /// <param name="mapper">The changes.</param>
    public Upcaster(int from, int to, FieldMapper mapper)
        : this(from, to, (mapper ?? throw new ArgumentNullException(nameof(mapper))).Apply)
    {
    }

    /// <summary>The version it takes.</summary>
    public int From { get; }

    /// <summary>The version it gives.</summary>
    public int To { get; }

    /// <summary>Does the step.</summary>
    public ReadOnlyMemory<byte> Apply(ReadOnlyMemory<byte> payload) => _change(payload);
}

/// <summary>A schema's version and the way there from the earlier ones; checked when it is made.</summary>
public sealed class Schema
{
    private readonly ImmutableDictionary<int, Upcaster> _steps;

    /// <summary>Checks the chain.</summary>
    /// <param name="version">The version that is written, 1 or more.</param>
    /// <param name="upcasters">Steps, at most one from each version.</param>
    /// <exception cref="ArgumentException">A step leads nowhere, or two begin at the same version.</exception>
    public Schema(int version = 1, params IEnumerable<Upcaster> upcasters)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(version);
        ArgumentNullException.ThrowIfNull(upcasters);
        var steps = ImmutableDictionary.CreateBuilder<int, Upcaster>();
        foreach (var upcaster in upcasters)
        {
            if (!steps.TryAdd(upcaster.From, upcaster))
            {
                throw new ArgumentException($"Two steps begin at version {upcaster.From}.", nameof(upcasters));
            }
        }

        (Version, _steps) = (version, steps.ToImmutable());
        foreach (var step in _steps.Values.Where(step => step.To != version && !_steps.ContainsKey(step.To)))
        {
            throw new ArgumentException(
                $"The step from version {step.From} leads to {step.To}, from which none leads to {version}.",
                nameof(upcasters));
        }

        // A chain that has begun must reach back to the first version, or old entries could not be read.
        if (_steps.Count > 0 && !_steps.ContainsKey(1))
        {
            throw new ArgumentException(
                $"No step begins at version 1; the first begins at {_steps.Keys.Min()}.", nameof(upcasters));
        }
    }

    /// <summary>The version that is written.</summary>
    public int Version { get; }

    /// <summary>Brings a payload to this version.</summary>
    /// <param name="payload">As it was stored.</param>
    /// <param name="version">Its version; 0 counts as 1.</param>
    /// <exception cref="SchemaException">The version is newer, no step begins at it, or a step failed.</exception>
    public ReadOnlyMemory<byte> Upcast(ReadOnlyMemory<byte> payload, int version)
    {
        version = Math.Max(version, 1);
        if (version > Version)
        {
            throw new SchemaException(
                $"The payload has schema version {version}; this program knows versions up to {Version}.", version);
        }

        for (var at = version; at < Version;)
        {
            if (!_steps.TryGetValue(at, out var step))
            {
                throw new SchemaException(
                    $"The payload has schema version {version}, and no step leads from {at} to {Version}.", version);
            }

            payload = step.Apply(payload);
            at = step.To;
        }

        return payload;
    }
}
