using Ledger.Commits;
using Ledger.Objects;
using Ledger.Trees;

namespace Ledger.Pages.Rows;

/// <summary>What a ledger was made with; written once.</summary>
/// <param name="Name">The application's name, 1 to <see cref="NameSizeBytesMax"/> bytes of UTF-8.</param>
/// <param name="Salt">Decides where tree nodes end.</param>
/// <param name="Chunks">Decides where large values are cut.</param>
/// <param name="CreatedMs">Wall clock of the creation.</param>
internal sealed record SettingsRow(string Name, TreeSalt Salt, ChunkSeed Chunks, long CreatedMs)
{
    /// <summary>Longest name.</summary>
    public const int NameSizeBytesMax = 255;

    /// <summary>The row's bytes.</summary>
    public byte[] Encode()
    {
        var writer = RowFormat.Begin();
        writer.WriteSized(CommitCodec.StrictUtf8.GetBytes(Name));
        writer.WriteUInt64(Salt.K0);
        writer.WriteUInt64(Salt.K1);
        Chunks.CopyTo(writer.Reserve(ChunkSeed.SizeBytes));
        writer.WriteVarint((ulong)CreatedMs);
        return writer.ToArray();
    }

    /// <summary>Reads the row's bytes.</summary>
    /// <exception cref="CorruptObjectException">The encoder cannot have made them.</exception>
    /// <exception cref="FormatTooNewException">A newer version made them.</exception>
    public static SettingsRow Decode(ReadOnlySpan<byte> content)
    {
        var reader = RowFormat.Open(content, "the settings of a ledger");
        var name = CommitCodec.ReadUtf8(
            ref reader, reader.ReadSized(1, NameSizeBytesMax, "the length of the name"), "its name");
        var salt = new TreeSalt(reader.ReadUInt64(), reader.ReadUInt64());
        var chunks = ChunkSeed.FromBytes(reader.ReadBytes(ChunkSeed.SizeBytes));
        var createdMs = RowFormat.ReadMilliseconds(ref reader);
        reader.ExpectEnd();
        return new SettingsRow(name, salt, chunks, createdMs);
    }
}
