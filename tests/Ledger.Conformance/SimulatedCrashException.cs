namespace Ledger.Conformance;

/// <summary>The process is dead; thrown through it so that a test can go on to its next life.</summary>
/// <remarks>Neither an I/O error nor one of Ledger's, so that nothing but a test may catch it.</remarks>
/// <param name="message">The operation during or after which the crash came.</param>
public sealed class SimulatedCrashException(string message) : Exception(message);
