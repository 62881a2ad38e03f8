using Xunit;

namespace Ledger.Tests;

/// <summary>Tests that look at what the whole process uses: they run while no others do.</summary>
[CollectionDefinition(nameof(AloneCollection), DisableParallelization = true)]
public sealed class AloneCollection;
