using System.Text;
using Ledger.Pages;

namespace Ledger.Conformance;

/// <summary>Pages with keys and values that can be read in a test.</summary>
internal static class PageText
{
    public static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    public static string Text(ReadOnlyMemory<byte> bytes) => Encoding.UTF8.GetString(bytes.Span);

    public static Task PutAsync(this IPage page, string key, string value) => page.PutAsync(Bytes(key), Bytes(value));

    public static Task DeleteAsync(this IPage page, string key) => page.DeleteAsync(Bytes(key));

    public static Task PutAsync(this ITransaction transaction, string key, string value) =>
        transaction.PutAsync(Bytes(key), Bytes(value));

    public static Task DeleteAsync(this ITransaction transaction, string key) => transaction.DeleteAsync(Bytes(key));

    public static async Task<string?> GetAsync(this IPage page, string key) =>
        await page.GetAsync(Bytes(key)) is { } value ? Text(value) : null;

    public static async Task<string?> GetAsync(this ITransaction transaction, string key) =>
        await transaction.GetAsync(Bytes(key)) is { } value ? Text(value) : null;

    public static async Task<string?> GetAsync(this IPageSnapshot snapshot, string key) =>
        await snapshot.GetAsync(Bytes(key)) is { } value ? Text(value) : null;

    /// <summary>All entries as <c>key=value</c>, in the order of the snapshot, with commas between.</summary>
    public static async Task<string> ShowAsync(this IPageSnapshot snapshot) => string.Join(
        ',', await snapshot.GetEntriesAsync().Select(entry => $"{Text(entry.Key)}={Text(entry.Value!.Value)}")
            .ToListAsync());

    /// <summary>The connection's present entries.</summary>
    public static async Task<string> ShowAsync(this IPage page)
    {
        await using var snapshot = await page.GetSnapshotAsync();
        return await snapshot.ShowAsync();
    }

    /// <summary>The changes as <c>key=value</c>, or <c>-key</c> for a deleted one.</summary>
    public static async Task<string> ShowAsync(this PageChange change) =>
        await ShowAsync(change.GetEntriesAsync());

    /// <summary>The changes as <c>key=value</c>, or <c>-key</c> for a deleted one.</summary>
    public static async Task<string> ShowAsync(IAsyncEnumerable<EntryChange> changes) => string.Join(
        ',', await changes.Select(change => change.After is { } after
            ? $"{Text(change.Key)}={Text(after.Value!.Value)}"
            : $"-{Text(change.Key)}").ToListAsync());
}
