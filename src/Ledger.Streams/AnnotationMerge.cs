namespace Ledger.Streams;

/// <summary>Merges a change of annotations into what is there.</summary>
internal static class AnnotationMerge
{
    /// <summary>The annotations afterwards; null deletes one.</summary>
    /// <exception cref="ArgumentException">There would be too many.</exception>
    public static IReadOnlyDictionary<string, string> Apply(
        IReadOnlyDictionary<string, string> before, IReadOnlyDictionary<string, string?> changes)
    {
        var merged = new SortedDictionary<string, string>(before.ToDictionary(), StringComparer.Ordinal);
        foreach (var (key, value) in changes)
        {
            if (value is null)
            {
                merged.Remove(key);
            }
            else
            {
                merged[key] = value;
            }
        }

        StreamRules.AnnotationCount(merged.Count);
        return merged;
    }
}
