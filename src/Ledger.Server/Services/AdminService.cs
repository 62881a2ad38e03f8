using Ledger.Rpc;
using Ledger.Rpc.AdminV1;
using Ledger.Server.Identities;

namespace Ledger.Server.Services;

/// <summary>What operators ask of hooks.</summary>
public interface IHookAdmin
{
    /// <summary>The hooks there are, ascending by name, with their dead letters.</summary>
    Task<IReadOnlyList<Hook>> ListAsync(CancellationToken cancellationToken);

    /// <summary>Delivers dead letters of a hook again, or forgets them.</summary>
    /// <param name="hook">The hook's name.</param>
    /// <param name="position">The dead letter; null for all of them.</param>
    /// <param name="retry">True to deliver again.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>How many; null when there is no such hook.</returns>
    Task<int?> ReleaseAsync(string hook, long? position, bool retry, CancellationToken cancellationToken);
}

/// <summary>What <c>ledger.admin.v1.AdminService</c> does.</summary>
/// <param name="catalog">The stores.</param>
/// <param name="reload">
/// Reads the configuration again and gives the keys whose value changed; throws an <c>ArgumentException</c> with the
/// line and the key when the file is not taken. Null where there is no file.
/// </param>
/// <param name="hooks">The hooks; null where there are none.</param>
public sealed class AdminService(
    StoreCatalog catalog, Func<CancellationToken, Task<IReadOnlyList<string>>>? reload, IHookAdmin? hooks)
{
    /// <summary>Reads the configuration again; for those who administer every store.</summary>
    public async Task<ReloadResponse> ReloadAsync(ReloadRequest request, ServiceCall call)
    {
        var identity = Require(call);
        if (identity.Stores is not null || !identity.Rights.HasFlag(Rights.Admin))
        {
            throw Denied();
        }

        if (reload is null)
        {
            throw new RpcException(RpcCode.Unimplemented, "The server has no configuration file to read again.");
        }

        var response = new ReloadResponse();
        response.Changed.AddRange(await reload(call.Token));
        return response;
    }

    /// <summary>The stores that the caller may read.</summary>
    public async Task<ListStoresResponse> ListStoresAsync(ListStoresRequest request, ServiceCall call)
    {
        var identity = Require(call);
        var response = new ListStoresResponse();
        if (identity.Rights.HasFlag(Rights.Read))
        {
            var names = await catalog.ListAsync(call.Token);
            response.Stores.AddRange(names.Where(name => identity.May(Rights.Read, name)));
        }

        return response;
    }

    /// <summary>The hooks of the stores that the caller administers.</summary>
    public async Task<ListHooksResponse> ListHooksAsync(ListHooksRequest request, ServiceCall call)
    {
        var identity = RequireAdmin(call);
        var response = new ListHooksResponse();
        response.Hooks.AddRange((await HooksAsync(call)).Where(hook => identity.May(Rights.Admin, hook.Store)));
        return response;
    }

    /// <summary>Delivers dead letters again.</summary>
    public async Task<RetryHookResponse> RetryHookAsync(RetryHookRequest request, ServiceCall call) =>
        new() { Count = await ReleaseAsync(request.Name, request.Position, request.All, retry: true, call) };

    /// <summary>Forgets dead letters.</summary>
    public async Task<DropHookResponse> DropHookAsync(DropHookRequest request, ServiceCall call) =>
        new() { Count = await ReleaseAsync(request.Name, request.Position, request.All, retry: false, call) };

    private async Task<int> ReleaseAsync(string hook, long position, bool isAll, bool retry, ServiceCall call)
    {
        var identity = RequireAdmin(call);
        if (isAll ? position != 0 : position < 1)
        {
            // A position that somebody forgot must not mean everything.
            throw new ArgumentException("A dead letter has a position of 1 or more; 'all' stands for all of them.");
        }

        var known = (await HooksAsync(call)).FirstOrDefault(one => one.Name == hook);

        // One of a foreign store is not there, as far as the caller can tell.
        var count = known is null || hooks is null || !identity.May(Rights.Admin, known.Store)
            ? null : await hooks.ReleaseAsync(hook, isAll ? null : position, retry, call.Token);
        return count ?? throw new RpcException(RpcCode.NotFound, $"There is no hook '{hook}'.");
    }

    private Task<IReadOnlyList<Hook>> HooksAsync(ServiceCall call) =>
        hooks?.ListAsync(call.Token) ?? Task.FromResult<IReadOnlyList<Hook>>([]);

    private static Identity Require(ServiceCall call) => call.Identity
        ?? throw new RpcException(RpcCode.Unauthenticated, "The call has no valid credentials.");

    private static Identity RequireAdmin(ServiceCall call) =>
        Require(call) is var identity && identity.Rights.HasFlag(Rights.Admin) ? identity : throw Denied();

    private static RpcException Denied() =>
        new(RpcCode.PermissionDenied, "The credentials do not allow this call.");
}
