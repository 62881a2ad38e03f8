namespace Ledger.Sync;

/// <summary>How a ledger and its cloud stand to each other, at one moment. Never changes.</summary>
public sealed record SyncStatus
{
    /// <summary>What is being done.</summary>
    public required SyncPhase Phase { get; init; }

    /// <summary>Why nothing moves until the user decides; <see cref="SyncBlock.None"/> when it does.</summary>
    public required SyncBlock Block { get; init; }

    /// <summary>
    /// What went wrong last and is tried again, or what must be decided, as a full sentence; or null.
    /// </summary>
    public required string? Error { get; init; }

    /// <summary>Entries of the feed taken in since synchronisation was started.</summary>
    public required long EntriesReceived { get; init; }

    /// <summary>Sealed bytes of those entries.</summary>
    public required long BytesReceived { get; init; }

    /// <summary>Entries of this device that the cloud has taken since synchronisation was started.</summary>
    public required long EntriesSent { get; init; }

    /// <summary>Sealed bytes of those entries.</summary>
    public required long BytesSent { get; init; }

    /// <summary>Pages that have, or may have, something that the cloud does not have.</summary>
    public required int PagesToUpload { get; init; }

    /// <summary>Pages that have received something which is not shown yet.</summary>
    public required int PagesToShow { get; init; }

    /// <summary>Received commits that wait for a commit which has not come.</summary>
    public required long CommitsWaiting { get; init; }

    /// <summary>About what those take, in bytes.</summary>
    public required long WaitingSizeBytes { get; init; }

    /// <summary>What does not fit and is not repaired by waiting: at most 100, oldest first.</summary>
    public required IReadOnlyList<SyncProblem> Problems { get; init; }

    /// <summary>The devices of which entries were received, ascending by name.</summary>
    public required IReadOnlyList<SyncDeviceStatus> Devices { get; init; }

    /// <summary>
    /// Eight hexadecimal digits, equal on two devices that have received the same entries: to compare by eye.
    /// </summary>
    public required string Digest { get; init; }
}

/// <summary>What synchronisation is doing.</summary>
public enum SyncPhase
{
    /// <summary>It was stopped, by being disposed of or by a fault of the program.</summary>
    Stopped,

    /// <summary>It connects to the cloud, or waits before it tries again.</summary>
    Connecting,

    /// <summary>It takes in what the cloud has.</summary>
    Downloading,

    /// <summary>It shows, merges or uploads.</summary>
    Uploading,

    /// <summary>Both sides have everything; what comes next is taken in at once.</summary>
    Idle,

    /// <summary>Nothing moves until the user decides: see <see cref="SyncStatus.Block"/>.</summary>
    Blocked,
}

/// <summary>Why nothing moves until the user decides.</summary>
public enum SyncBlock
{
    /// <summary>Everything moves.</summary>
    None,

    /// <summary>It is another cloud, or this one was erased and made anew, or restored.</summary>
    Foreign,

    /// <summary>It is the same cloud, and it does not have any more what was taken in before.</summary>
    RolledBack,

    /// <summary>
    /// More than 64 MiB of commits wait for others that have not come: taking in pauses until they are applied.
    /// </summary>
    TooMuchWaiting,
}

/// <summary>Something that waiting does not repair. Everything else goes on.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Message">A full sentence with the ids and values in it.</param>
public sealed record SyncProblem(SyncProblemKind Kind, string Message);

/// <summary>Kinds of <see cref="SyncProblem"/>.</summary>
public enum SyncProblemKind
{
    /// <summary>An entry cannot be opened, is malformed, or leads to another root. It was put aside.</summary>
    Quarantined,

    /// <summary>Entries of a device are missing although later ones came.</summary>
    MissingEntries,

    /// <summary>Two histories under one device's name: somebody kept devices apart, or a device was cloned.</summary>
    Forked,

    /// <summary>Commits wait for others since more than five minutes.</summary>
    Waiting,

    /// <summary>A commit is dated more than 24 hours ahead.</summary>
    AheadOfTime,

    /// <summary>A page was deleted elsewhere while it had edits here that nobody else has; they are kept.</summary>
    DeletedWithEdits,
}

/// <summary>What was heard of a device.</summary>
/// <param name="Device">32 lower-case hexadecimal digits.</param>
/// <param name="IsThis">True for this device.</param>
/// <param name="Entries">Entries that it has made, as far as is known here.</param>
/// <param name="LastHeard">When its last entry came here, by this device's clock.</param>
public sealed record SyncDeviceStatus(string Device, bool IsThis, long Entries, DateTimeOffset LastHeard);
