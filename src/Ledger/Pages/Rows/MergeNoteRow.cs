using Ledger.Commits;
using Ledger.Objects;
using Ledger.Pages.Merging;

namespace Ledger.Pages.Rows;

/// <summary>How this device made a merge; a note beside the commit, which does not say it.</summary>
/// <param name="Policy">The policy.</param>
/// <param name="Resolver">Name of the resolver that the policy may call, or null.</param>
internal sealed record MergeNoteRow(MergePolicy Policy, string? Resolver)
{
    /// <summary>The row's bytes.</summary>
    public byte[] Encode()
    {
        var writer = RowFormat.Begin();
        writer.WriteByte((byte)Policy);
        writer.WriteSized(CommitCodec.StrictUtf8.GetBytes(Resolver ?? ""));
        return writer.ToArray();
    }

    /// <summary>Reads the row's bytes.</summary>
    /// <exception cref="CorruptObjectException">The encoder cannot have made them.</exception>
    /// <exception cref="FormatTooNewException">A newer version made them.</exception>
    public static MergeNoteRow Decode(ReadOnlySpan<byte> content)
    {
        var reader = RowFormat.Open(content, "a merge note");
        var policy = (MergePolicy)reader.ReadByte();
        if (!Enum.IsDefined(policy))
        {
            throw reader.Corrupt($"its policy is {(int)policy}");
        }

        var name = CommitCodec.ReadUtf8(
            ref reader, reader.ReadSized(0, MergeSettings.NameSizeBytesMax, "the length of the resolver's name"),
            "the resolver's name");
        reader.ExpectEnd();
        return new MergeNoteRow(policy, name.Length == 0 ? null : name);
    }
}
