using Ledger.Runtime;
using Ledger.Server.Services;
using Xunit;

namespace Ledger.Tests.Server;

/// <summary>Who of many followers may read, and who has stood still for too long.</summary>
public sealed class FollowRoomTests
{
    // What a page of 100 bytes of payload counts.
    private const int PageBytes = 300;

    // Far beyond what anything here takes.
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan Long = TimeSpan.FromDays(1);

    [Fact]
    public async Task Who_finds_no_room_waits_until_another_has_taken_its_page()
    {
        var room = Room(Long);
        using var first = room.Enter(null);
        using var second = room.Enter(null);
        await TakeAsync(first);

        var waiting = TakeAsync(second);
        Assert.False(waiting.IsCompleted);
        first.Release();

        await waiting.WaitAsync(Hang);
    }

    [Fact]
    public async Task Only_a_few_read_at_a_time_however_little_there_was_so_far()
    {
        var room = new FollowRoom(1L << 40, LedgerRuntime.CreateSystem(), Long);
        var places = Enumerable.Range(0, 5).Select(_ => room.Enter(null)).ToList();

        var turns = places.ConvertAll(place => place.TakeAsync(CancellationToken.None).AsTask());
        Assert.Equal([true, true, true, true, false], turns.Select(turn => turn.IsCompleted));
        places[0].Hold(1);

        Assert.True(await turns[4].WaitAsync(Hang) > 0);
    }

    [Fact]
    public async Task Whoever_stands_still_longest_is_ended_when_another_waits_and_only_then()
    {
        var room = Room(TimeSpan.FromMilliseconds(1), 2 * PageBytes);
        var ended = new List<string>();
        FollowRoom.Place? still = null;
        FollowRoom.Place? moving = null;
        still = room.Enter(() => End("still", still!));
        moving = room.Enter(() => End("moving", moving!));
        using var last = room.Enter(null);
        await TakeAsync(still);
        await TakeAsync(moving);
        still.Moved();
        moving.Moved();
        Assert.Empty(ended);

        await TakeAsync(last).WaitAsync(Hang);

        Assert.Equal(["still"], ended);

        void End(string name, FollowRoom.Place place)
        {
            ended.Add(name);
            place.Dispose();
        }
    }

    [Fact]
    public async Task Whoever_gives_up_waiting_is_in_nobodys_way()
    {
        var room = Room(Long);
        using var first = room.Enter(null);
        using var second = room.Enter(null);
        using var third = room.Enter(null);
        using var given = new CancellationTokenSource();
        await TakeAsync(first);
        var gone = second.TakeAsync(given.Token).AsTask();
        var waiting = TakeAsync(third);

        given.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => gone);
        first.Release();

        await waiting.WaitAsync(Hang);
    }

    [Fact]
    public async Task One_is_read_however_large_it_is()
    {
        var room = Room(Long);
        using var place = room.Enter(null);
        await TakeAsync(place, 1 << 30);
        place.Release();

        await TakeAsync(place).WaitAsync(Hang);
    }

    private static FollowRoom Room(TimeSpan stallTime, long bytesMax = PageBytes) =>
        new(bytesMax, LedgerRuntime.CreateSystem(), stallTime, guessBytes: PageBytes);

    private static async Task TakeAsync(FollowRoom.Place place, long payloadBytes = 100)
    {
        Assert.True(await place.TakeAsync(CancellationToken.None) > 0);
        place.Hold(payloadBytes);
    }
}
