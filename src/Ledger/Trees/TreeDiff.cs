using System.Runtime.CompilerServices;
using Ledger.Objects;

namespace Ledger.Trees;

/// <summary>Compares two trees; walks both at once and passes over the subtrees that they share.</summary>
internal static class TreeDiff
{
    private enum Step
    {
        Again,
        AdvanceBoth,
        TakeLeft,
        TakeRight,
        TakeBoth,
        ExpandLeft,
        ExpandRight,
        ExpandBoth,
    }

    /// <summary>The keys of a range whose entries differ, ascending.</summary>
    public static async IAsyncEnumerable<TreeDifference> RunAsync(
        NodeReader reader,
        ObjectId leftRoot,
        ObjectId rightRoot,
        KeyRange range,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (leftRoot == rightRoot)
        {
            yield break;
        }

        var left = new TreeDiffSide(reader, range);
        var right = new TreeDiffSide(reader, range);
        await left.StartAsync(leftRoot, cancellationToken);
        await right.StartAsync(rightRoot, cancellationToken);
        while (!left.HasEnded || !right.HasEnded)
        {
            var step = Choose(left, right);
            if (step is Step.ExpandLeft or Step.ExpandBoth)
            {
                await left.ExpandAsync(cancellationToken);
            }

            if (step is Step.ExpandRight or Step.ExpandBoth)
            {
                await right.ExpandAsync(cancellationToken);
            }

            if (step is Step.TakeLeft or Step.TakeRight or Step.TakeBoth)
            {
                yield return new TreeDifference(
                    (step == Step.TakeRight ? right : left).Key,
                    step == Step.TakeRight ? null : left.Value,
                    step == Step.TakeLeft ? null : right.Value);
            }

            if (step == Step.AdvanceBoth)
            {
                var count = left.CountEqual(right);
                left.Advance(count);
                right.Advance(count);
            }

            if (step is Step.TakeLeft or Step.TakeBoth)
            {
                left.Advance(1);
            }

            if (step is Step.TakeRight or Step.TakeBoth)
            {
                right.Advance(1);
            }
        }
    }

    private static Step Choose(TreeDiffSide left, TreeDiffSide right)
    {
        if (right.HasEnded)
        {
            return left.IsAtEntry ? Step.TakeLeft : Step.ExpandLeft;
        }

        if (left.HasEnded)
        {
            return right.IsAtEntry ? Step.TakeRight : Step.ExpandRight;
        }

        if (left.IsAtEntry && right.IsAtEntry)
        {
            return ChooseOfEntries(left, right);
        }

        if (left.Level == right.Level && left.ChildId == right.ChildId)
        {
            return Step.AdvanceBoth;
        }

        if ((left.Level > right.Level && right.TryPassOver(left)) ||
            (right.Level > left.Level && left.TryPassOver(right)))
        {
            return Step.Again;
        }

        if (left.IsBefore(right))
        {
            return left.IsAtEntry ? Step.TakeLeft : Step.ExpandLeft;
        }

        if (right.IsBefore(left))
        {
            return right.IsAtEntry ? Step.TakeRight : Step.ExpandRight;
        }

        return left.Level == right.Level ? Step.ExpandBoth
            : left.Level > right.Level ? Step.ExpandLeft : Step.ExpandRight;
    }

    private static Step ChooseOfEntries(TreeDiffSide left, TreeDiffSide right)
    {
        var order = left.CompareKey(right);
        if (order != 0)
        {
            return order < 0 ? Step.TakeLeft : Step.TakeRight;
        }

        return left.Value.Equals(right.Value) ? Step.AdvanceBoth : Step.TakeBoth;
    }
}
