namespace Ledger.Objects;

/// <summary>The BLAKE3 derive-key context of each kind, and the key made of it.</summary>
internal static class KindContexts
{
    private static readonly byte[][] Keys = [.. Enum.GetValues<ObjectKind>().Select(MakeKey)];

    /// <summary>The context string, from docs/formats/objects.md.</summary>
    public static string ContextOf(ObjectKind kind) => kind switch
    {
        ObjectKind.Value => "ledger 2026-11-21 object: value",
        ObjectKind.ValueIndex => "ledger 2026-11-21 object: value index",
        ObjectKind.Node => "ledger 2026-11-21 object: tree node",
        ObjectKind.Commit => "ledger 2026-11-21 object: commit",
        ObjectKind.ChangeList => "ledger 2026-11-21 object: change list",
        ObjectKind.ChangeIndex => "ledger 2026-11-21 object: change index",
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "Unknown kind of object."),
    };

    /// <summary>The 32-byte key that hashing the context gives.</summary>
    public static ReadOnlySpan<byte> KeyOf(ObjectKind kind) => Keys[(int)kind - 1];

    private static byte[] MakeKey(ObjectKind kind)
    {
        var key = new byte[ObjectId.HashSizeBytes];
        Blake3.DeriveContextKey(ContextOf(kind), key);
        return key;
    }
}
