using Ledger.Objects;
using Ledger.Pages;
using Ledger.Pages.Rows;

namespace Ledger.Sync;

/// <summary>What an entry of the catalog says (docs/formats/catalog.md).</summary>
/// <param name="Kind">What happened.</param>
/// <param name="Page">To which page.</param>
/// <param name="Incarnation">
/// Of the page; of a deleted one that of the next page with the id. 1 or more.
/// </param>
internal sealed record CatalogRecord(CatalogKind Kind, PageId Page, uint Incarnation)
{
    /// <summary>The record's bytes.</summary>
    public byte[] Encode()
    {
        var writer = RowFormat.Begin();
        writer.WriteByte((byte)Kind);
        Page.CopyTo(writer.Reserve(PageId.SizeBytes));
        writer.WriteVarint(Incarnation);
        return writer.ToArray();
    }

    /// <summary>Reads the record's bytes.</summary>
    /// <returns>Null for a kind that a newer version made.</returns>
    /// <exception cref="CorruptObjectException">No writer makes them.</exception>
    /// <exception cref="FormatTooNewException">A newer version made them.</exception>
    public static CatalogRecord? Decode(ReadOnlySpan<byte> content)
    {
        var reader = RowFormat.Open(content, "a record of the catalog");
        var kind = (CatalogKind)reader.ReadByte();
        if (!Enum.IsDefined(kind))
        {
            return null;
        }

        var page = new PageId(reader.ReadBytes(PageId.SizeBytes));
        var record = new CatalogRecord(kind, page, RowFormat.ReadIncarnation(ref reader));
        reader.ExpectEnd();
        return record;
    }
}

/// <summary>What a record of the catalog says.</summary>
internal enum CatalogKind : byte
{
    /// <summary>The page exists; this is the only place that tells its id.</summary>
    Created = 1,

    /// <summary>The page was deleted.</summary>
    Deleted = 2,

    /// <summary>A device could not apply an entry of the page: whoever has its commits appends them again.</summary>
    Repair = 3,
}
