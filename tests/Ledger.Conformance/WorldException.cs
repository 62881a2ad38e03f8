namespace Ledger.Conformance;

/// <summary>A run of the world went wrong: something left its thread, or nothing can happen any more.</summary>
/// <param name="message">What, where, and the seed.</param>
public sealed class WorldException(string message) : Exception(message);
