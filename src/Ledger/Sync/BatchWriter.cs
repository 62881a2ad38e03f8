using System.Buffers.Binary;
using System.IO.Compression;
using Ledger.Commits;
using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Trees;

namespace Ledger.Sync;

/// <summary>Constants of docs/formats/batch.md.</summary>
internal static class BatchFormat
{
    /// <summary>First byte of every batch.</summary>
    public const byte Version = 1;

    /// <summary>A batch up to here is one entry; a longer one is cut into pieces of at most this.</summary>
    public const int PieceSizeBytesMax = 256 * 1024;

    /// <summary>Most changes of one frame, in bytes before compression.</summary>
    public const int FrameSizeBytesMax = 64 * 1024;

    /// <summary>Shorter changes are never compressed.</summary>
    public const int CompressedSizeBytesMin = 1024;

    /// <summary>A commit begins.</summary>
    public const byte CommitFrame = 1;

    /// <summary>Changes as they are.</summary>
    public const byte RawFrame = 2;

    /// <summary>Changes, compressed with Brotli.</summary>
    public const byte CompressedFrame = 3;

    /// <summary>The commit's changes have ended.</summary>
    public const byte EndFrame = 4;

    /// <summary>The commit has an author.</summary>
    public const byte AuthoredFlag = 1;

    /// <summary>The author left a message.</summary>
    public const byte MessageFlag = 2;

    /// <summary>The author is another device than the entry's.</summary>
    public const byte OtherDeviceFlag = 4;

    /// <summary>A parent that is given by its id.</summary>
    public const int ParentById = 0;

    /// <summary>A parent that is genesis.</summary>
    public const int ParentGenesis = 1;

    /// <summary>The commit before this one in the batch; each one more is one further back.</summary>
    public const int ParentBack = 2;
}

/// <summary>Writes a batch of commits of one page, each with its changes against one parent. Used once.</summary>
/// <remarks>
/// For each commit: <see cref="BeginCommit"/>, its changes in key order, <see cref="EndCommit"/>. Memory holds what the
/// pieces take and at most one frame.
/// </remarks>
internal sealed class BatchWriter
{
    private readonly uint _incarnation;
    private readonly DeviceId _device;
    private readonly ByteWriter _piece = new();
    private readonly ByteWriter _frame = new();
    private readonly ByteWriter _change = new();
    private readonly List<byte[]> _pieces = [];
    private readonly Dictionary<CommitId, int> _commits = [];
    private long _changes;
    private bool _isInCommit;

    /// <summary>Begins a batch.</summary>
    /// <param name="incarnation">Of the page; every authored commit must name it.</param>
    /// <param name="device">The device whose entry this will be.</param>
    public BatchWriter(uint incarnation, DeviceId device)
    {
        (_incarnation, _device) = (incarnation, device);
        _piece.WriteByte(BatchFormat.Version);
        _piece.WriteVarint(incarnation);
    }

    /// <summary>Begins a commit.</summary>
    /// <param name="commit">Not genesis; parents in the batch come before their children.</param>
    /// <param name="baseParent">The parent that the changes are against.</param>
    public void BeginCommit(Commit commit, CommitId baseParent)
    {
        Invariant.Check(!_isInCommit && !commit.IsGenesis && commit.Parents.Contains(baseParent));
        Invariant.Check(commit.Author is null || commit.Author.Incarnation == _incarnation);
        _isInCommit = true;
        _changes = 0;
        _frame.Clear();
        _frame.WriteByte(BatchFormat.CommitFrame);
        _frame.WriteByte(FlagsOf(commit.Author));
        _frame.WriteVarint(TreeProfile.Number);
        _frame.WriteId(commit.Root);
        WriteParents(commit, baseParent);
        _frame.WriteVarint((ulong)commit.Generation);
        BinaryPrimitives.WriteUInt64BigEndian(_frame.Reserve(sizeof(ulong)), commit.Timestamp.Value);
        WriteSkipLink(commit);
        WriteAuthor(commit);
        CloseFrame();
        _commits.Add(commit.Id, _commits.Count);
    }

    /// <summary>Adds a change of the commit.</summary>
    /// <param name="change">Its key is above the last one's.</param>
    public void Add(in TreeChange change)
    {
        Invariant.Check(_isInCommit);
        _change.Clear();
        ChangeListCodec.WriteChange(_change, change);
        if (_frame.Length + _change.Length > BatchFormat.FrameSizeBytesMax)
        {
            CloseChanges();
        }

        _frame.WriteBytes(_change.WrittenSpan);
        _changes++;
    }

    /// <summary>Ends a commit.</summary>
    public void EndCommit()
    {
        Invariant.Check(_isInCommit);
        CloseChanges();
        _frame.WriteByte(BatchFormat.EndFrame);
        _frame.WriteVarint((ulong)_changes);
        CloseFrame();
        _isInCommit = false;
    }

    /// <summary>Ends the batch.</summary>
    /// <returns>One piece or more, each at most <see cref="BatchFormat.PieceSizeBytesMax"/> bytes.</returns>
    public IReadOnlyList<byte[]> Finish()
    {
        Invariant.Check(!_isInCommit && _commits.Count > 0);
        _pieces.Add(_piece.ToArray());
        return _pieces;
    }

    private static ulong ZigZag(long value) => (ulong)((value << 1) ^ (value >> 63));

    private byte FlagsOf(Authorship? author) => author is null
        ? (byte)0
        : (byte)(BatchFormat.AuthoredFlag | (author.Message is null ? 0 : BatchFormat.MessageFlag) |
            (author.Device == _device ? 0 : BatchFormat.OtherDeviceFlag));

    private void WriteParents(Commit commit, CommitId baseParent)
    {
        _frame.WriteVarint((ulong)commit.Parents.Count);
        foreach (var parent in commit.Parents)
        {
            if (parent == Commit.Genesis.Id)
            {
                _frame.WriteVarint(BatchFormat.ParentGenesis);
            }
            else if (_commits.TryGetValue(parent, out var index))
            {
                _frame.WriteVarint((ulong)(_commits.Count - 1 - index + BatchFormat.ParentBack));
            }
            else
            {
                _frame.WriteVarint(BatchFormat.ParentById);
                _frame.WriteId(parent.Value);
            }
        }

        _frame.WriteVarint((ulong)commit.Parents.ToList().IndexOf(baseParent));
    }

    private void WriteSkipLink(Commit commit)
    {
        var linked = Commit.SkipGenerationOf(commit.Generation);
        if (linked == 0 || (linked == commit.Generation - 1 && commit.Parents.Count == 1))
        {
            return;
        }

        if (linked == commit.Generation - 1)
        {
            _frame.WriteVarint((ulong)commit.Parents.ToList().IndexOf(commit.SkipLink));
            return;
        }

        _frame.WriteId(commit.SkipLink.Value);
    }

    private void WriteAuthor(Commit commit)
    {
        if (commit.Author is not { } author)
        {
            return;
        }

        if (author.Device != _device)
        {
            author.Device.CopyTo(_frame.Reserve(DeviceId.SizeBytes));
        }

        _frame.WriteVarint(ZigZag(author.WallClockMs - commit.Timestamp.Milliseconds));
        if (author.Message is { } message)
        {
            _frame.WriteSized(CommitCodec.StrictUtf8.GetBytes(message));
        }
    }

    private void CloseChanges()
    {
        if (_frame.Length == 0)
        {
            return;
        }

        var raw = _frame.ToArray();
        _frame.Clear();
        var compressed = new byte[raw.Length];
        if (raw.Length >= BatchFormat.CompressedSizeBytesMin &&
            BrotliEncoder.TryCompress(raw, compressed, out var length, quality: 5, window: 18) && length < raw.Length)
        {
            _frame.WriteByte(BatchFormat.CompressedFrame);
            _frame.WriteVarint((ulong)raw.Length);
            _frame.WriteSized(compressed.AsSpan(0, length));
        }
        else
        {
            _frame.WriteByte(BatchFormat.RawFrame);
            _frame.WriteSized(raw);
        }

        CloseFrame();
    }

    private void CloseFrame()
    {
        if (_piece.Length + _frame.Length > BatchFormat.PieceSizeBytesMax)
        {
            _pieces.Add(_piece.ToArray());
            _piece.Clear();
        }

        _piece.WriteBytes(_frame.WrittenSpan);
        _frame.Clear();
    }
}
