using Ledger.Objects;
using Ledger.Pages;
using Xunit;
using static Ledger.Conformance.PageText;

namespace Ledger.Conformance;

/// <summary>Misuse, limits and ends: one clear exception each, and nothing lost.</summary>
public abstract partial class PageConformance
{
    [Fact]
    public async Task A_second_transaction_on_a_connection_is_refused()
    {
        await using var page = await OpenPageAsync();
        await using var transaction = await page.BeginTransactionAsync();

        await Assert.ThrowsAsync<TransactionOpenException>(() => page.BeginTransactionAsync());

        await transaction.PutAsync("a", "1");
        await transaction.CommitAsync();
        Assert.Equal("a=1", await page.ShowAsync());
    }

    [Fact]
    public async Task Plain_writes_are_refused_while_a_transaction_is_open_on_the_connection()
    {
        await using var page = await OpenPageAsync();
        var reference = await page.CreateReferenceAsync(Bytes("value"));
        await using var transaction = await page.BeginTransactionAsync();

        await Assert.ThrowsAsync<TransactionOpenException>(() => page.PutAsync("a", "1"));
        await Assert.ThrowsAsync<TransactionOpenException>(() => page.DeleteAsync("a"));
        await Assert.ThrowsAsync<TransactionOpenException>(() => page.ClearAsync());
        await Assert.ThrowsAsync<TransactionOpenException>(() => page.PutReferenceAsync(Bytes("a"), reference));
        await Assert.ThrowsAsync<TransactionOpenException>(() => page.RestoreAsync(transaction.Base.Id));

        await transaction.RollbackAsync();
        await page.PutReferenceAsync(Bytes("a"), reference);
        Assert.Equal("a=value", await page.ShowAsync());
    }

    [Fact]
    public async Task A_transaction_that_has_ended_refuses_everything()
    {
        await using var page = await OpenPageAsync();
        var committed = await page.BeginTransactionAsync();
        await committed.CommitAsync();
        var rolledBack = await page.BeginTransactionAsync();
        await rolledBack.RollbackAsync();
        var disposed = await page.BeginTransactionAsync();
        await disposed.DisposeAsync();

        foreach (var transaction in new[] { committed, rolledBack, disposed })
        {
            await Assert.ThrowsAsync<TransactionEndedException>(() => transaction.PutAsync("a", "1"));
            await Assert.ThrowsAsync<TransactionEndedException>(() => transaction.DeleteAsync("a"));
            await Assert.ThrowsAsync<TransactionEndedException>(() => transaction.ClearAsync());
            await Assert.ThrowsAsync<TransactionEndedException>(() => transaction.GetAsync("a"));
            await Assert.ThrowsAsync<TransactionEndedException>(() => transaction.GetSnapshotAsync());
            await Assert.ThrowsAsync<TransactionEndedException>(() => transaction.CommitAsync());
            await Assert.ThrowsAsync<TransactionEndedException>(() => transaction.RollbackAsync());
            await transaction.DisposeAsync();
        }
    }

    [Fact]
    public async Task Keys_that_are_empty_or_too_long_are_refused()
    {
        await using var page = await OpenPageAsync();
        await using var snapshot = await page.GetSnapshotAsync();
        await using var transaction = await page.BeginTransactionAsync();

        foreach (var key in new[] { Array.Empty<byte>(), new byte[1025] })
        {
            await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => page.PutAsync(key, Bytes("1")));
            await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => page.DeleteAsync(key));
            await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await page.GetAsync(key));
            await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => transaction.PutAsync(key, Bytes("1")));
            await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => transaction.DeleteAsync(key));
            await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await snapshot.GetAsync(key));
        }
    }

    [Fact]
    public async Task A_direct_value_above_one_mebibyte_is_refused_and_a_streamed_one_is_read_as_a_stream()
    {
        await using var page = await OpenPageAsync();
        var large = Fill((1024 * 1024) + 1);

        await Assert.ThrowsAsync<ValueTooLargeException>(() => page.PutAsync(Bytes("a"), large));
        await using (var transaction = await page.BeginTransactionAsync())
        {
            await Assert.ThrowsAsync<ValueTooLargeException>(() => transaction.PutAsync(Bytes("a"), large));
        }

        await page.PutReferenceAsync(Bytes("a"), await page.CreateReferenceAsync(large));
        await using var snapshot = await page.GetSnapshotAsync();
        var entry = await snapshot.FindAsync(Bytes("a"));
        Assert.Equal((ValueState.Large, large.Length), (entry!.Value.State, entry.Value.SizeBytes));
        await Assert.ThrowsAsync<ValueTooLargeException>(async () => await page.GetAsync(Bytes("a")));
        await Assert.ThrowsAsync<ValueTooLargeException>(async () => await snapshot.GetAsync(Bytes("a")));
        await using var stream = await snapshot.OpenReadAsync(Bytes("a"));
        Assert.Equal(large, await ReadAllAsync(stream!));
    }

    [Fact]
    public async Task Content_of_another_size_than_declared_is_refused_and_harms_nothing()
    {
        await using var page = await OpenPageAsync();

        foreach (var declared in new[] { 0L, 99, 101 })
        {
            using var content = new MemoryStream(Fill(100));
            await Assert.ThrowsAsync<SizeMismatchException>(() => page.CreateReferenceAsync(content, declared));
        }

        var reference = await page.CreateReferenceAsync(Fill(100), 100);
        await page.PutReferenceAsync(Bytes("a"), reference);
        Assert.Equal(Fill(100), (await page.GetAsync(Bytes("a")))!.Value.ToArray());
    }

    [Fact]
    public async Task A_reference_is_unknown_once_put_or_released_or_after_a_restart()
    {
        var ledger = await OpenLedgerAsync();
        var page = await ledger.GetPageAsync(PageId.Root);
        var put = await page.CreateReferenceAsync(Fill(1000));
        var released = await page.CreateReferenceAsync(Fill(1001));
        var kept = await page.CreateReferenceAsync(Fill(1002));
        await page.PutReferenceAsync(Bytes("a"), put);

        Assert.True(page.ReleaseReference(released));
        Assert.False(page.ReleaseReference(released));
        await Assert.ThrowsAsync<UnknownReferenceException>(() => page.PutReferenceAsync(Bytes("b"), put));
        await Assert.ThrowsAsync<UnknownReferenceException>(() => page.PutReferenceAsync(Bytes("b"), released));
        await using (var transaction = await page.BeginTransactionAsync())
        {
            await Assert.ThrowsAsync<UnknownReferenceException>(
                () => transaction.PutReferenceAsync(Bytes("b"), released));
        }

        await ledger.DisposeAsync();
        await using var reopened = await OpenPageAsync();
        await Assert.ThrowsAsync<UnknownReferenceException>(() => reopened.PutReferenceAsync(Bytes("b"), kept));
        Assert.Equal(Fill(1000), (await reopened.GetAsync(Bytes("a")))!.Value.ToArray());
    }

    [Fact]
    public async Task A_reference_is_released_by_the_transaction_that_commits_it_and_not_by_one_rolled_back()
    {
        var ledger = await OpenLedgerAsync();
        await using var page = await ledger.GetPageAsync(PageId.Root);
        await using var other = await ledger.GetPageAsync(new PageId(Fill(16)));
        var reference = await page.CreateReferenceAsync(Bytes("short"));

        await using (var first = await page.BeginTransactionAsync())
        {
            await first.PutReferenceAsync(Bytes("a"), reference);
            await first.RollbackAsync();
        }

        await using (var second = await other.BeginTransactionAsync())
        {
            await second.PutReferenceAsync(Bytes("a"), reference);
            await second.PutReferenceAsync(Bytes("b"), reference);
            await second.CommitAsync();
        }

        Assert.Equal("a=short,b=short", await other.ShowAsync());
        Assert.False(page.ReleaseReference(reference));
    }

    [Fact]
    public async Task A_connection_that_was_disposed_refuses_everything_and_its_snapshots_live_on()
    {
        var page = await OpenPageAsync();
        await page.PutAsync("a", "1");
        var snapshot = await page.GetSnapshotAsync();
        var transaction = await page.BeginTransactionAsync();
        var commit = transaction.Base.Id;

        await page.DisposeAsync();
        await page.DisposeAsync();

        Assert.Equal("a=1", await snapshot.ShowAsync());
        await Assert.ThrowsAsync<TransactionEndedException>(() => transaction.PutAsync("a", "2"));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => page.PutAsync("a", "2"));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => page.DeleteAsync("a"));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => page.ClearAsync());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => page.GetAsync("a"));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => page.GetSnapshotAsync());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => page.GetSnapshotAsync(AsOf.Commit(commit)));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => page.BeginTransactionAsync());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => page.WatchAsync());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => page.CreateReferenceAsync(Bytes("x")));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => page.RestoreAsync(commit));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => page.GetHeadsAsync());
        Assert.Throws<ObjectDisposedException>(() => page.ReleaseReference(default));
        Assert.Throws<ObjectDisposedException>(() => page.LogAsync());
        Assert.Throws<ObjectDisposedException>(() => page.DiffAsync(commit, commit));
        Assert.Throws<ObjectDisposedException>(() => page.HistoryOfAsync(Bytes("a")));

        await snapshot.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => snapshot.GetAsync("a"));
    }

    [Fact]
    public async Task A_ledger_that_was_closed_refuses_everything()
    {
        var ledger = await OpenLedgerAsync();
        var page = await ledger.GetPageAsync(PageId.Root);
        await page.PutAsync("a", "1");
        var watch = await page.WatchAsync();
        var next = watch.ChangesAsync().GetAsyncEnumerator().MoveNextAsync();

        await ledger.DisposeAsync();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => ledger.GetPageAsync(PageId.Root));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => ledger.CreatePageAsync());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => ledger.DeletePageAsync(PageId.Root));
        Assert.Throws<ObjectDisposedException>(() => ledger.ListPagesAsync());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => page.PutAsync("a", "2"));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => page.GetAsync("a"));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await next);
        await page.DisposeAsync();
        await watch.DisposeAsync();
    }

    [Fact]
    public async Task A_transaction_that_is_open_when_its_ledger_closes_refuses_everything_and_ends()
    {
        var ledger = await OpenLedgerAsync();
        var page = await ledger.GetPageAsync(PageId.Root);
        var transaction = await page.BeginTransactionAsync();
        await transaction.PutAsync("a", "1");

        await ledger.DisposeAsync();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => transaction.PutAsync("a", "2"));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => transaction.CommitAsync())
            .WaitAsync(TimeSpan.FromSeconds(60));
        await transaction.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60));
        await page.DisposeAsync();
    }

    [Fact]
    public async Task A_write_that_is_cancelled_before_it_begins_leaves_no_trace()
    {
        await using var page = await OpenPageAsync();
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => page.PutAsync(Bytes("a"), Bytes("1"), cancellationToken: cancelled.Token));
        await using (var transaction = await page.BeginTransactionAsync())
        {
            await transaction.PutAsync("b", "1");
            await Assert.ThrowsAnyAsync<OperationCanceledException>(
                () => transaction.CommitAsync(cancellationToken: cancelled.Token));
            await transaction.PutAsync("c", "1");
            await transaction.CommitAsync();
        }

        Assert.Equal("b=1,c=1", await page.ShowAsync());
    }

    [Fact]
    public async Task A_message_is_kept_with_its_commit_and_one_that_is_too_long_is_refused()
    {
        await using var page = await OpenPageAsync();
        await using var transaction = await page.BeginTransactionAsync();
        await transaction.PutAsync("a", "1");

        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(
            () => transaction.CommitAsync(message: new string('é', 2049)));
        await transaction.CommitAsync(message: new string('é', 2048));

        Assert.Equal(new string('é', 2048), (await page.GetSnapshotAsync()).Commit.Message);
    }

    private static async Task<byte[]> ReadAllAsync(Stream stream)
    {
        using var content = new MemoryStream();
        var buffer = new byte[10_000];
        int count;
        while ((count = await stream.ReadAsync(buffer)) > 0)
        {
            content.Write(buffer, 0, count);
        }

        return content.ToArray();
    }
}
