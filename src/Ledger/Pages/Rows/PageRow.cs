using Ledger.Objects;
using Ledger.Runtime;

namespace Ledger.Pages.Rows;

/// <summary>That a page exists, or did until it was deleted.</summary>
/// <param name="IsDeleted">True for the tombstone of a deleted page.</param>
/// <param name="Incarnation">1 or more; in a tombstone that of the next page with this id.</param>
/// <param name="CreatedMs">Wall clock of the creation, or of the deletion.</param>
/// <param name="Floor">Above no timestamp of this page: the last one issued before its id was last deleted.</param>
internal sealed record PageRow(bool IsDeleted, uint Incarnation, long CreatedMs, HybridTimestamp Floor)
{
    private const byte Live = 1;
    private const byte Deleted = 2;

    /// <summary>The row's bytes.</summary>
    public byte[] Encode()
    {
        var writer = RowFormat.Begin();
        writer.WriteByte(IsDeleted ? Deleted : Live);
        writer.WriteVarint(Incarnation);
        writer.WriteVarint((ulong)CreatedMs);
        RowFormat.WriteTimestamp(writer, Floor);
        return writer.ToArray();
    }

    /// <summary>Reads the row's bytes.</summary>
    /// <exception cref="CorruptObjectException">The encoder cannot have made them.</exception>
    /// <exception cref="FormatTooNewException">A newer version made them.</exception>
    public static PageRow Decode(ReadOnlySpan<byte> content)
    {
        var reader = RowFormat.Open(content, "a page row");
        var state = reader.ReadByte();
        if (state is not (Live or Deleted))
        {
            throw reader.Corrupt($"its state is {state}");
        }

        var row = new PageRow(
            state == Deleted, RowFormat.ReadIncarnation(ref reader), RowFormat.ReadMilliseconds(ref reader),
            RowFormat.ReadTimestamp(ref reader));
        reader.ExpectEnd();
        return row;
    }
}
