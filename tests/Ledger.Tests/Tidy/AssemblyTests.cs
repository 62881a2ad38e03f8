using System.Reflection;
using System.Runtime.CompilerServices;
using Xunit;

namespace Ledger.Tests.Tidy;

/// <summary>What the compiled libraries may not have in it.</summary>
public sealed class AssemblyTests
{
    private static readonly string[] Libraries =
        ["Ledger", "Ledger.Streams", "Ledger.Streams.Sqlite", "Ledger.Streams.Postgres"];

    private static readonly string[] MutableCollections =
    [
        "Dictionary`2", "List`1", "HashSet`1", "SortedDictionary`2", "SortedSet`1", "SortedList`2", "Queue`1",
        "Stack`1", "LinkedList`1", "ConditionalWeakTable`2", "Hashtable", "ArrayList",
    ];

    private static readonly Type[] Types =
        [.. Libraries.SelectMany(library => Assembly.Load(library).GetTypes()).Where(type => !IsGenerated(type))];

    [Fact]
    public void The_library_has_no_static_mutable_state()
    {
        var faults = Types
            .SelectMany(type => type.GetFields(
                BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            .Where(field => !field.IsLiteral && (!field.IsInitOnly || IsMutableCollection(field.FieldType)))
            .Where(field => !field.IsDefined(typeof(CompilerGeneratedAttribute)) || !field.IsInitOnly)
            .Select(field => $"{field.DeclaringType}.{field.Name}");

        Faults.AssertNone(faults);
    }

    [Fact]
    public void Classes_are_sealed_unless_they_are_made_to_be_derived_from()
    {
        var faults = Types
            .Where(type => type is { IsClass: true, IsSealed: false, IsAbstract: false })
            .Select(type => type.FullName);

        Faults.AssertNone(faults);
    }

    private static bool IsGenerated(Type type) =>
        type.IsDefined(typeof(CompilerGeneratedAttribute)) || type.FullName!.Contains('<', StringComparison.Ordinal);

    private static bool IsMutableCollection(Type type) =>
        MutableCollections.Contains(type.Name) || type.Namespace == "System.Collections.Concurrent";
}
