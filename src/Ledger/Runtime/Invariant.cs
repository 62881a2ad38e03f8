using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Ledger.Runtime;

/// <summary>Checks that stay on in every build.</summary>
internal static class Invariant
{
    /// <summary>Throws <see cref="InvariantException"/> unless <paramref name="condition"/> holds.</summary>
    public static void Check(
        [DoesNotReturnIf(false)] bool condition,
        [CallerArgumentExpression(nameof(condition))] string expression = "",
        [CallerMemberName] string member = "")
    {
        if (!condition)
        {
            Fail(expression, member);
        }
    }

    [DoesNotReturn]
    private static void Fail(string expression, string member) =>
        throw new InvariantException($"The invariant '{expression}' does not hold in {member}.");
}
