namespace Ledger.Objects;

/// <summary>BLAKE3 (https://github.com/BLAKE3-team/BLAKE3-specs), 256-bit output. Placeholder until the hash lands.</summary>
internal static class Blake3
{
    /// <summary>Plain hash mode.</summary>
    public static void Hash(ReadOnlySpan<byte> content, Span<byte> hash) => throw new NotSupportedException();

    /// <summary>Derive-key mode, first stage: the key of a context string.</summary>
    public static void DeriveContextKey(string context, Span<byte> key) => throw new NotSupportedException();

    /// <summary>Derive-key mode, second stage: hashes key material under a context's key.</summary>
    public static void HashWithKey(ReadOnlySpan<byte> contextKey, ReadOnlySpan<byte> content, Span<byte> hash) =>
        throw new NotSupportedException();
}
