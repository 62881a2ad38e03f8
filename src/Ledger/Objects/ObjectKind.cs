namespace Ledger.Objects;

/// <summary>What an object is. Part of how it is named, so that one kind can never pass for another.</summary>
/// <remarks>The numbers are on disk (docs/formats/objects.md).</remarks>
internal enum ObjectKind : byte
{
    /// <summary>The bytes of a value, or one chunk of a large one.</summary>
    Value = 1,

    /// <summary>The list of the chunks, or of the indexes below, of a large value.</summary>
    ValueIndex = 2,

    /// <summary>A node of a tree.</summary>
    Node = 3,

    /// <summary>A commit.</summary>
    Commit = 4,

    /// <summary>Changes of a commit against a parent, in key order.</summary>
    ChangeList = 5,

    /// <summary>The list of the change lists of a large commit.</summary>
    ChangeIndex = 6,
}
