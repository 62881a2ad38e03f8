using System.Security.Cryptography;
using Ledger.Benchmarks.Measuring;
using Ledger.Benchmarks.Reporting;
using Ledger.Objects;

namespace Ledger.Benchmarks.Experiments;

/// <summary>BLAKE3 alone and in batches.</summary>
internal sealed class Hashing : Experiment
{
    private const int BatchInputs = 1_000;

    /// <inheritdoc/>
    public override string Name => "hash";

    /// <inheritdoc/>
    public override string Title => "BLAKE3 over single inputs and over a batch of nodes of mixed length";

    /// <inheritdoc/>
    public override string Meaning =>
        "One thread, warm. The batch has inputs of 200 to 4,000 bytes, as tree nodes have. Portable is the same " +
        "without vectors; SHA-256 is the base class library's.";

    /// <inheritdoc/>
    public override async Task RunAsync(Context context)
    {
        var bytes = context.Operations(64, 20_000, 100_000, 200_000) * 1_024L;
        var content = new byte[1 << 20];
        new Random(1).NextBytes(content);
        foreach (var size in (int[])[1_024, 4_096, 65_536, 1 << 20])
        {
            var input = content.AsMemory(0, size);
            var rounds = await Rounds.RunAsync($"{size:N0} bytes", context.Rounds, 1,
            [
                LaneOf("BLAKE3", input, bytes, static (span, hash) => Blake3.Hash(span, hash)),
                LaneOf("portable", input, bytes / 4, static (span, hash) =>
                    Blake3.Hash(span, hash, Blake3Path.Portable)),
                LaneOf("SHA-256", input, bytes / 4, static (span, hash) => SHA256.HashData(span, hash)),
            ],
            context.WarmUp);
            Add(context, rounds, $"BLAKE3 of {size:N0} bytes", size == 65_536 ? "≥ 2" : Report.NoGoal);
        }

        await RunBatchAsync(context, content, bytes);
    }

    private static async Task RunBatchAsync(Context context, byte[] content, long bytes)
    {
        var random = new Random(2);
        ReadOnlyMemory<byte>[] inputs =
        [
            .. Enumerable.Range(0, BatchInputs).Select(_ =>
                new ReadOnlyMemory<byte>(content, random.Next(content.Length / 2), random.Next(200, 4_001))),
        ];
        var key = new byte[Blake3.HashSizeBytes];
        Blake3.DeriveContextKey("benchmark", key);
        var hashes = new byte[BatchInputs * Blake3.HashSizeBytes];
        var batchBytes = inputs.Sum(input => (long)input.Length);
        var repeat = (int)Math.Max(1, bytes / batchBytes);
        var rounds = await Rounds.RunAsync("Batch of 1,000 inputs of 200 to 4,000 bytes", context.Rounds, 1,
        [
            new Lane("BLAKE3", (meter, _) => meter.MeasureAsync(batchBytes * repeat, () =>
            {
                for (var i = 0; i < repeat; i++)
                {
                    Blake3Batch.HashWithKey(key, inputs, hashes);
                }

                return Task.CompletedTask;
            })),
            new Lane("one by one", (meter, _) => meter.MeasureAsync(batchBytes * repeat, () =>
            {
                for (var i = 0; i < repeat; i++)
                {
                    for (var j = 0; j < inputs.Length; j++)
                    {
                        Blake3.HashWithKey(key, inputs[j].Span, hashes.AsSpan(j * Blake3.HashSizeBytes));
                    }
                }

                return Task.CompletedTask;
            })),
        ],
        context.WarmUp);
        Add(context, rounds, "BLAKE3 of a batch of nodes of mixed length", "≥ 1.5");
    }

    private static void Add(Context context, Rounds rounds, string what, string goal)
    {
        context.Report.Add(rounds);
        context.Report.Ratio(what, [.. rounds.Samples("BLAKE3").Select(sample => sample.Rate / 1e9)], goal, "GB/s");
        foreach (var peer in rounds.Names.Where(name => name != "BLAKE3"))
        {
            context.Report.Ratio($"{what}, over {peer}", rounds.RateRatios("BLAKE3", peer), Report.NoGoal);
        }
    }

    private static Lane LaneOf(
        string name, ReadOnlyMemory<byte> input, long bytes, Action<ReadOnlySpan<byte>, Span<byte>> hash)
    {
        var repeat = (int)Math.Max(1, bytes / input.Length);
        return new Lane(name, (meter, _) =>
        {
            Span<byte> into = stackalloc byte[Blake3.HashSizeBytes];
            meter.Start();
            for (var i = 0; i < repeat; i++)
            {
                hash(input.Span, into);
            }

            meter.Stop((long)repeat * input.Length);
            return Task.CompletedTask;
        });
    }
}
