using Ledger.Commits;
using Ledger.Objects;

namespace Ledger.Pages.Rows;

/// <summary>That a commit belongs to a page, and where its changes are.</summary>
/// <param name="Incarnation">Incarnation of the page.</param>
/// <param name="Parent">The parent that the changes are counted from.</param>
/// <param name="Changes">The changes.</param>
internal sealed record CommitRow(uint Incarnation, CommitId Parent, ChangeList Changes)
{
    /// <summary>The row's bytes.</summary>
    public byte[] Encode()
    {
        var writer = RowFormat.Begin();
        writer.WriteVarint(Incarnation);
        writer.WriteId(Parent.Value);
        writer.WriteVarint((ulong)Changes.Count);
        if (Changes.Count > 0)
        {
            writer.WriteByte((byte)Changes.Level);
            writer.WriteId(Changes.Id);
        }

        return writer.ToArray();
    }

    /// <summary>Reads the row's bytes.</summary>
    /// <exception cref="CorruptObjectException">The encoder cannot have made them.</exception>
    /// <exception cref="FormatTooNewException">A newer version made them.</exception>
    public static CommitRow Decode(ReadOnlySpan<byte> content)
    {
        var reader = RowFormat.Open(content, "a commit row");
        var incarnation = RowFormat.ReadIncarnation(ref reader);
        var parent = new CommitId(reader.ReadId());
        var count = reader.ReadVarint(0, ChangeListCodec.CountMax, "the number of changes");
        var changes = ChangeList.Empty;
        if (count > 0)
        {
            var level = reader.ReadByte();
            if (level > ChangeListCodec.LevelMax)
            {
                throw reader.Corrupt($"the level of its change list is {level}");
            }

            changes = new ChangeList(reader.ReadId(), level, count);
        }

        reader.ExpectEnd();
        return new CommitRow(incarnation, parent, changes);
    }
}
