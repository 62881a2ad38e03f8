using Ledger.Simulation.Model;
using Ledger.Simulation.Worlds;
using Ledger.Sync;

namespace Ledger.Simulation.Workload;

/// <summary>What the user of a device does about its cloud.</summary>
internal sealed partial class Session
{
    private bool _isSynced;
    private bool _isMended;

    /// <summary>Tells the model under which name this device writes now.</summary>
    public void TellName()
    {
        var now = Services.Device;
        if (run.Model.Know(now, device.Number) is { } before && run.Sealed.HasAccepted(before) &&
            !device.IsCopied && run.Options.Malice is Malice.None or Malice.Misleads)
        {
            // Also noted: it may be thrown within a loop of the product, which tries again.
            var violation = new ViolationException(
                "R16", $"Device {device.Number} was {before} and is {now}, though nobody else was {before}.");
            run.Fail(violation);
            throw violation;
        }
    }

    /// <summary>Decides, some time after the cloud was found to be another one than before.</summary>
    private async Task MindCloudAsync()
    {
        while (!IsEnding && run.Done < run.Options.Operations)
        {
            await runtime.Delay(TimeSpan.FromMilliseconds(_random.Next(1, 4000)), CancellationToken.None);
            if (IsBlocked && _random.Next(2) == 0)
            {
                await RepairAsync();
            }
        }
    }

    private bool IsBlocked => Engine!.Block is SyncBlock.Foreign or SyncBlock.RolledBack;

    private async Task RepairAsync()
    {
        run.Say($"device {device.Number}: repairs, {Engine!.Block}");
        await Engine.RepairAsync(CancellationToken.None);
        TellName();
        _isSynced = false;
    }

    /// <summary>Synchronises once, and again whenever the user had to decide.</summary>
    /// <returns>False when that must be tried again.</returns>
    private async Task<bool> SyncAsync(SyncEngine engine)
    {
        if (IsBlocked)
        {
            await RepairAsync();
        }

        if (_isSynced)
        {
            return true;
        }

        try
        {
            await engine.SyncNowAsync(CancellationToken.None);
        }
        catch (SyncBlockedException)
        {
            return false;
        }

        _isSynced = true;
        if (run.Options.Malice == Malice.Withholds && !_isMended)
        {
            _isMended = true;
            device.Given.CheckNoticed(await engine.GetStatusAsync(CancellationToken.None));
            await RepairAsync();
        }

        return _isSynced;
    }

    /// <summary>With an honest cloud nothing is missing, forked, or cannot be applied.</summary>
    public async Task CheckProblemsAsync()
    {
        if (Engine is null || run.Options.Malice == Malice.Withholds)
        {
            return;
        }

        var status = await Engine.GetStatusAsync(CancellationToken.None);
        var liar = run.Network.Attacks.Liar.ToString();
        var problem = status.Problems.FirstOrDefault(each =>
            each.Kind is not (SyncProblemKind.AheadOfTime or SyncProblemKind.DeletedWithEdits) &&

            // What a device sends to a cloud that has just lost what came before.
            (run.Options.Malice != Malice.Loses || each.Kind != SyncProblemKind.MissingEntries) &&
            !each.Message.Contains(liar, StringComparison.Ordinal));
        if (problem is not null)
        {
            throw new ViolationException(
                "R16", $"Device {device.Number} has a problem although nothing is wrong: {problem.Message}");
        }
    }

    /// <summary>Notes what the pages show, if nothing more is to be done here.</summary>
    private async Task SettleAsync()
    {
        if (Engine is not null && !await SyncAsync(Engine))
        {
            return;
        }

        var shown = new List<string>();
        foreach (var page in run.Pages)
        {
            await using var connection = await Ledger.GetPageAsync(page.Id);
            await connection.WaitForMergesAsync();
            var heads = await connection.GetHeadsAsync();
            if (heads.Count > 1 && run.Model.Policy == PolicyKind.None && device.Number == 0)
            {
                await connection.MergeHeadsAsync();
            }

            shown.Add(heads.Count == 1 ? heads[0].Id.ToString() : "");
        }

        Shown = shown.Contains("") || Engine is { IsIdle: false } ? null : string.Join(' ', shown);
    }
}
