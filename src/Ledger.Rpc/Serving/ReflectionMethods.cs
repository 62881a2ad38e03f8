using Google.Protobuf.Reflection;
using Ledger.Rpc.Protocol;
using Ledger.Rpc.ReflectionV1;

namespace Ledger.Rpc.Serving;

/// <summary><c>grpc.reflection.v1</c>: tells tools without proto files what there is.</summary>
internal sealed class ReflectionMethods
{
    /// <summary>The service's name.</summary>
    public const string Service = "grpc.reflection.v1.ServerReflection";

    private readonly List<string> _services;
    private readonly Dictionary<string, FileDescriptor> _files = new(StringComparer.Ordinal);
    private readonly Dictionary<string, FileDescriptor> _symbols = new(StringComparer.Ordinal);

    private ReflectionMethods(IEnumerable<FileDescriptor> files)
    {
        foreach (var file in files)
        {
            Add(file);
        }

        _services = [.. _files.Values.SelectMany(file => file.Services).Select(service => service.FullName).Order()];
    }

    /// <summary>The one method.</summary>
    public static RpcMethod<ServerReflectionRequest, ServerReflectionResponse> Info { get; } = new(
        Service, "ServerReflectionInfo", RpcKind.Duplex, ServerReflectionRequest.Parser,
        ServerReflectionResponse.Parser);

    /// <summary>Adds the method for files and what they import.</summary>
    public static void AddTo(RpcServer server, params FileDescriptor[] files)
    {
        var methods = new ReflectionMethods([.. files, ReflectionReflection.Descriptor]);
        server.AddDuplex(Info, (requests, _) => requests.Select(methods.Answer));
    }

    private void Add(FileDescriptor file)
    {
        if (!_files.TryAdd(file.Name, file))
        {
            return;
        }

        foreach (var import in file.Dependencies)
        {
            Add(import);
        }

        foreach (var service in file.Services)
        {
            _symbols[service.FullName] = file;
            foreach (var method in service.Methods)
            {
                _symbols[method.FullName] = file;
            }
        }

        foreach (var type in file.EnumTypes)
        {
            _symbols[type.FullName] = file;
        }

        foreach (var type in file.MessageTypes)
        {
            Add(type);
        }
    }

    private void Add(MessageDescriptor type)
    {
        _symbols[type.FullName] = type.File;
        foreach (var field in type.Fields.InDeclarationOrder())
        {
            _symbols[field.FullName] = type.File;
        }

        foreach (var inner in type.EnumTypes)
        {
            _symbols[inner.FullName] = type.File;
        }

        foreach (var inner in type.NestedTypes)
        {
            Add(inner);
        }
    }

    private ServerReflectionResponse Answer(ServerReflectionRequest request)
    {
        var response = new ServerReflectionResponse { ValidHost = request.Host, OriginalRequest = request };
        switch (request.MessageRequestCase)
        {
            case ServerReflectionRequest.MessageRequestOneofCase.ListServices:
                response.ListServicesResponse = new ListServiceResponse();
                response.ListServicesResponse.Service.AddRange(
                    _services.Select(name => new ServiceResponse { Name = name }));
                break;
            case ServerReflectionRequest.MessageRequestOneofCase.FileByFilename:
                Give(response, _files.GetValueOrDefault(request.FileByFilename), request.FileByFilename);
                break;
            case ServerReflectionRequest.MessageRequestOneofCase.FileContainingSymbol:
                Give(response, _symbols.GetValueOrDefault(request.FileContainingSymbol), request.FileContainingSymbol);
                break;
            default:
                // There are no extensions in proto3.
                Give(response, null, request.MessageRequestCase.ToString());
                break;
        }

        return response;
    }

    private static void Give(ServerReflectionResponse response, FileDescriptor? file, string what)
    {
        if (file is null)
        {
            response.ErrorResponse =
                new ErrorResponse { ErrorCode = (int)RpcCode.NotFound, ErrorMessage = $"There is no '{what}'." };
            return;
        }

        // With what it imports, so that the asker has all of it at once.
        var given = new List<FileDescriptor>();
        void Collect(FileDescriptor one)
        {
            if (!given.Contains(one))
            {
                given.Add(one);
                foreach (var import in one.Dependencies)
                {
                    Collect(import);
                }
            }
        }

        Collect(file);
        response.FileDescriptorResponse = new FileDescriptorResponse();
        response.FileDescriptorResponse.FileDescriptorProto.AddRange(given.Select(one => one.SerializedData));
    }
}
