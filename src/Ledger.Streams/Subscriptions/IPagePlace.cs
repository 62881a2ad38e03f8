namespace Ledger.Streams.Subscriptions;

/// <summary>Where a subscription asks for memory that it shares with others; for one caller at a time.</summary>
internal interface IPagePlace
{
    /// <summary>Waits until a page may be read.</summary>
    /// <returns>Bytes of it, beyond which it has no further entry.</returns>
    ValueTask<int> TakeAsync(CancellationToken cancellationToken);

    /// <summary>The page was read, and is kept until <see cref="Release"/>.</summary>
    /// <param name="payloadBytes">Bytes of its payloads.</param>
    void Hold(long payloadBytes);

    /// <summary>An entry of the page was taken: whoever follows is not standing still.</summary>
    void Moved();

    /// <summary>Nothing is kept any more, whatever was before.</summary>
    void Release();
}
