using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;
using Google.Protobuf;

namespace Ledger.Tests.PublicApi;

/// <summary>Writes an assembly's public surface as text: a line for each type and member, in a fixed order.</summary>
internal static class ApiText
{
    private const BindingFlags Declared =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static |
        BindingFlags.DeclaredOnly;

    private static readonly Dictionary<Type, string> Keywords = new()
    {
        [typeof(void)] = "void",
        [typeof(object)] = "object",
        [typeof(string)] = "string",
        [typeof(bool)] = "bool",
        [typeof(byte)] = "byte",
        [typeof(int)] = "int",
        [typeof(uint)] = "uint",
        [typeof(long)] = "long",
        [typeof(ulong)] = "ulong",
        [typeof(double)] = "double",
        [typeof(char)] = "char",
    };

    /// <summary>The lines of an assembly, without namespaces of messages, whose surface is in proto.</summary>
    public static string Of(Assembly assembly)
    {
        var text = new StringBuilder();
        var exported = assembly.GetExportedTypes();
        var messages = exported.Where(typeof(IMessage).IsAssignableFrom).Select(type => type.Namespace).ToHashSet();
        foreach (var type in exported.Where(type => !messages.Contains(type.Namespace))
            .OrderBy(type => type.FullName, StringComparer.Ordinal))
        {
            text.Append(Header(type)).Append('\n');
            foreach (var member in type.GetMembers(Declared).Where(IsShown).Select(Line).Order(StringComparer.Ordinal))
            {
                text.Append("    ").Append(member).Append('\n');
            }
        }

        return text.ToString();
    }

    private static string Header(Type type)
    {
        var kind = type switch
        {
            { IsEnum: true } => "enum",
            { IsInterface: true } => "interface",
            { IsValueType: true } => type.IsDefined(typeof(IsReadOnlyAttribute)) ? "readonly struct" : "struct",
            { IsAbstract: true, IsSealed: true } => "static class",
            { IsAbstract: true } => "abstract class",
            { IsSealed: true } => "sealed class",
            _ => "class",
        };
        var parents = type.GetInterfaces().Where(parent => parent.IsPublic).ToList();
        if (type is { IsValueType: false, BaseType: { } parent } && parent != typeof(object))
        {
            parents.Add(parent);
        }

        var list = type.IsEnum
            ? NameOf(Enum.GetUnderlyingType(type))
            : string.Join(", ", parents.Select(NameOf).Order(StringComparer.Ordinal));
        return $"{kind} {type.Namespace}.{NameOf(type)}" + (list.Length == 0 ? "" : " : " + list);
    }

    private static bool IsShown(MemberInfo member) => member switch
    {
        FieldInfo field => IsVisible(field.IsPublic, field.IsFamily) && !field.IsSpecialName,
        ConstructorInfo constructor => IsVisible(constructor.IsPublic, constructor.IsFamily),
        PropertyInfo property => Accessors(property).Any(),
        MethodInfo method => IsVisible(method.IsPublic, method.IsFamily) && IsWritten(method),
        EventInfo => true,
        _ => false,
    };

    private static bool IsVisible(bool isPublic, bool isFamily) => isPublic || isFamily;

    private static bool IsWritten(MethodInfo method) =>
        !method.IsDefined(typeof(CompilerGeneratedAttribute)) &&
        (!method.IsSpecialName || method.Name.StartsWith("op_", StringComparison.Ordinal));

    private static IEnumerable<MethodInfo> Accessors(PropertyInfo property) =>
        property.GetAccessors(nonPublic: true).Where(accessor => accessor.IsPublic || accessor.IsFamily);

    private static string Line(MemberInfo member) => member switch
    {
        FieldInfo { IsLiteral: true } field =>
            $"const {NameOf(field.FieldType)} {field.Name} = {field.GetRawConstantValue()}",
        FieldInfo field => $"{Modifier(field.IsStatic)}{NameOf(field.FieldType)} {field.Name}",
        ConstructorInfo constructor => $"new({Parameters(constructor)})",
        PropertyInfo property => Line(property),
        MethodInfo method =>
            $"{Modifier(method.IsStatic)}{NameOf(method.ReturnType)} {method.Name}({Parameters(method)})",
        _ => member.ToString()!,
    };

    private static string Line(PropertyInfo property)
    {
        var accessors = Accessors(property).ToArray();
        var names = accessors.Select(accessor =>
            accessor.ReturnType != typeof(void) ? "get;" : IsInit(accessor) ? "init;" : "set;");
        var type = NameOf(property.PropertyType);
        return $"{Modifier(accessors[0].IsStatic)}{type} {property.Name} {{ {string.Join(' ', names)} }}";
    }

    private static bool IsInit(MethodInfo setter) =>
        setter.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit));

    private static string Modifier(bool isStatic) => isStatic ? "static " : "";

    private static string Parameters(MethodBase method) => string.Join(", ", method.GetParameters().Select(parameter =>
        $"{NameOf(parameter.ParameterType)} {parameter.Name}" +
        (parameter.HasDefaultValue ? " = " + (parameter.DefaultValue ?? "default") : "")));

    private static string NameOf(Type type)
    {
        if (Nullable.GetUnderlyingType(type) is { } value)
        {
            return NameOf(value) + "?";
        }

        if (type.IsByRef)
        {
            return "ref " + NameOf(type.GetElementType()!);
        }

        if (type.IsArray)
        {
            return NameOf(type.GetElementType()!) + "[]";
        }

        if (Keywords.TryGetValue(type, out var keyword))
        {
            return keyword;
        }

        var name = type is { IsNested: true, IsGenericParameter: false, DeclaringType: { } owner }
            ? $"{NameOf(owner)}.{type.Name}"
            : type.Name;
        return type.IsGenericType
            ? $"{name.Split('`')[0]}<{string.Join(", ", type.GetGenericArguments().Select(NameOf))}>"
            : name;
    }
}
