namespace Ledger.Runtime;

/// <summary>What the disk may answer instead of doing as it was asked.</summary>
internal static class DiskErrors
{
    extension(Exception error)
    {
        /// <summary>
        /// Whether an <see cref="IFileSystem"/> may throw it: also what says that access is denied, which Windows says
        /// of a file that a scanner has open at that moment.
        /// </summary>
        public bool IsOfTheDisk => error is IOException or UnauthorizedAccessException;
    }
}
