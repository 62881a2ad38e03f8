namespace Ledger.Objects.Segments;

/// <summary>Merges sorted sources in which newer ones hide older ones.</summary>
internal static class SortedMerge
{
    /// <summary>The items of all sources in order; of equal ones only that of the first (newest) source.</summary>
    /// <param name="sources">Strictly ascending each; newest first.</param>
    /// <param name="comparer">The order.</param>
    /// <returns>Each item with the index of its source.</returns>
    public static IEnumerable<(T Item, int Source)> Merge<T>(
        IReadOnlyList<IEnumerable<T>> sources, IComparer<T> comparer)
    {
        var cursors = new IEnumerator<T>?[sources.Count];
        try
        {
            for (var i = 0; i < cursors.Length; i++)
            {
                cursors[i] = sources[i].GetEnumerator();
                Step(cursors, i);
            }

            while (Least(cursors, comparer) is var least and >= 0)
            {
                var item = cursors[least]!.Current;
                for (var i = least; i < cursors.Length; i++)
                {
                    if (cursors[i] is { } cursor && comparer.Compare(cursor.Current, item) == 0)
                    {
                        Step(cursors, i);
                    }
                }

                yield return (item, least);
            }
        }
        finally
        {
            foreach (var cursor in cursors)
            {
                cursor?.Dispose();
            }
        }
    }

    private static int Least<T>(IEnumerator<T>?[] cursors, IComparer<T> comparer)
    {
        var least = -1;
        for (var i = 0; i < cursors.Length; i++)
        {
            if (cursors[i] is { } cursor &&
                (least < 0 || comparer.Compare(cursor.Current, cursors[least]!.Current) < 0))
            {
                least = i;
            }
        }

        return least;
    }

    private static void Step<T>(IEnumerator<T>?[] cursors, int index)
    {
        if (!cursors[index]!.MoveNext())
        {
            cursors[index]!.Dispose();
            cursors[index] = null;
        }
    }
}
