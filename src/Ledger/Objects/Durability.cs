namespace Ledger.Objects;

/// <summary>What an acknowledged write has survived.</summary>
public enum Durability
{
    /// <summary>On the medium: survives power loss. The default.</summary>
    Flushed,

    /// <summary>
    /// Handed to the operating system: survives a killed process. Flushed every second or 8 MiB; power loss may take a
    /// suffix of what was written since, never a hole and never a torn record.
    /// </summary>
    Buffered,
}
