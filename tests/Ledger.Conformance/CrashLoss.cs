namespace Ledger.Conformance;

/// <summary>What a crash takes away of what was not flushed.</summary>
public enum CrashLoss
{
    /// <summary>Nothing: the process was killed and the system went on.</summary>
    KeepAll,

    /// <summary>Everything: contents since each file's last flush, names since each directory's.</summary>
    LoseAll,

    /// <summary>Contents, while every name is kept: files are empty or old behind new names.</summary>
    LoseContents,

    /// <summary>Names, while all contents are kept.</summary>
    LoseNames,

    /// <summary>Any subset of sectors, lengths and changes of names, as the seed decides.</summary>
    RandomSubset,

    /// <summary>Of the last write all but the first few sectors, as the seed decides; nothing else.</summary>
    Torn,
}

/// <summary>Where within an operation the crash comes.</summary>
public enum CrashMoment
{
    /// <summary>Before it does anything.</summary>
    Before,

    /// <summary>
    /// Half way: a write has done its first few sectors, a flush a part of what it should; what is atomic is done or
    /// not, as the seed decides.
    /// </summary>
    Middle,

    /// <summary>When it is done, but its caller does not know.</summary>
    After,
}
