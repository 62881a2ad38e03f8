using Ledger.Commits;
using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Trees;

namespace Ledger.Pages.Rows;

/// <summary>One acknowledged change that no commit covers yet.</summary>
/// <param name="Timestamp">The page's clock at the change.</param>
/// <param name="WallClockMs">The wall clock at the change.</param>
/// <param name="Change">The change; null removes every key.</param>
internal readonly record struct JournalRow(HybridTimestamp Timestamp, long WallClockMs, TreeChange? Change)
{
    private const byte OneKey = 1;
    private const byte EveryKey = 2;

    /// <summary>The row's bytes.</summary>
    public byte[] Encode()
    {
        var writer = RowFormat.Begin();
        RowFormat.WriteTimestamp(writer, Timestamp);
        writer.WriteVarint((ulong)WallClockMs);
        if (Change is { } change)
        {
            writer.WriteByte(OneKey);
            ChangeListCodec.WriteChange(writer, change);
        }
        else
        {
            writer.WriteByte(EveryKey);
        }

        return writer.ToArray();
    }

    /// <summary>Reads the row's bytes.</summary>
    /// <param name="content">Kept by the result.</param>
    /// <exception cref="CorruptObjectException">The encoder cannot have made them.</exception>
    /// <exception cref="FormatTooNewException">A newer version made them.</exception>
    public static JournalRow Decode(ReadOnlyMemory<byte> content)
    {
        var reader = RowFormat.Open(content.Span, "a journal row");
        var timestamp = RowFormat.ReadTimestamp(ref reader);
        var wallClockMs = RowFormat.ReadMilliseconds(ref reader);
        TreeChange? change = null;
        var kind = reader.ReadByte();
        if (kind == OneKey)
        {
            change = ChangeListCodec.ReadChange(ref reader, content);
        }
        else if (kind != EveryKey)
        {
            throw reader.Corrupt($"its kind is {kind}");
        }

        reader.ExpectEnd();
        return new JournalRow(timestamp, wallClockMs, change);
    }
}
