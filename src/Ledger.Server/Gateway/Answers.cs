using System.Text;
using System.Text.Json;
using Ledger.Rpc;
using Microsoft.AspNetCore.Http;

namespace Ledger.Server.Gateway;

/// <summary>Answers over HTTP without a message: text, and errors as the original's gateway writes them.</summary>
internal static class Answers
{
    /// <summary>Answers with text.</summary>
    public static Task TextAsync(HttpContext context, int status, string text)
    {
        context.Response.StatusCode = status;
        return BytesAsync(context, "text/plain; charset=utf-8", Encoding.UTF8.GetBytes(text));
    }

    /// <summary>Answers with <c>{code,message,details}</c>.</summary>
    /// <param name="context">The call, whose answer has not begun.</param>
    /// <param name="error">How it ended.</param>
    /// <param name="status">The code of HTTP, where it is not the one that the table has.</param>
    public static Task ErrorAsync(HttpContext context, RpcException error, int? status = null)
    {
        context.Response.StatusCode = status ?? RpcErrors.HttpStatusOf(error);
        return BytesAsync(context, "application/json", ErrorJson(error));
    }

    /// <summary>Answers with bytes.</summary>
    public static Task BytesAsync(HttpContext context, string type, byte[] bytes)
    {
        context.Response.ContentType = type;
        context.Response.ContentLength = bytes.Length;
        return context.Response.Body.WriteAsync(bytes, context.RequestAborted).AsTask();
    }

    /// <summary>An error as JSON.</summary>
    public static byte[] ErrorJson(RpcException error)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes, ProtoJson.Plain))
        {
            json.WriteStartObject();
            json.WriteNumber("code", (int)error.Code);
            json.WriteString("message", error.Message);
            json.WriteStartArray("details");
            if (error.Detail is { } detail)
            {
                json.WriteStartObject();
                json.WriteString("@type", "type.googleapis.com/ledger.v1.ErrorDetail");
                ProtoJson.WriteMembers(json, detail, isSparse: true);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return bytes.ToArray();
    }
}
