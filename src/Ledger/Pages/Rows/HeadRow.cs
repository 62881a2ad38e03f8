using Ledger.Commits;
using Ledger.Objects;

namespace Ledger.Pages.Rows;

/// <summary>The head of a branch of a page.</summary>
/// <param name="Incarnation">Incarnation of the page.</param>
/// <param name="Commit">The newest commit of the branch; it may be genesis.</param>
/// <param name="Covered">Sequence of the last journal entry that is in it; 0 for none.</param>
internal sealed record HeadRow(uint Incarnation, CommitId Commit, ulong Covered)
{
    /// <summary>The row's bytes.</summary>
    public byte[] Encode()
    {
        var writer = RowFormat.Begin();
        writer.WriteVarint(Incarnation);
        writer.WriteId(Commit.Value);
        writer.WriteVarint(Covered);
        return writer.ToArray();
    }

    /// <summary>Reads the row's bytes.</summary>
    /// <exception cref="CorruptObjectException">The encoder cannot have made them.</exception>
    /// <exception cref="FormatTooNewException">A newer version made them.</exception>
    public static HeadRow Decode(ReadOnlySpan<byte> content)
    {
        var reader = RowFormat.Open(content, "a head row");
        var row = new HeadRow(
            RowFormat.ReadIncarnation(ref reader), new CommitId(reader.ReadId()), reader.ReadVarint());
        reader.ExpectEnd();
        return row;
    }
}
