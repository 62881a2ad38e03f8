using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Ledger.Commits;
using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Pages;
using Ledger.Sync;
using Ledger.Tests.Commits;
using Xunit;

namespace Ledger.Tests.Sync;

public sealed class SealingTests
{
    private static readonly byte[] Secret = [.. Enumerable.Range(1, 32).Select(number => (byte)number)];
    private static readonly SyncKeys Keys = new(Secret, Secret, 0, "notes");
    private static readonly PageName Page = Keys.NameOf(PageId.Root);

    [Fact]
    public void Names_and_seals_are_the_golden_ones()
    {
        var blob = Keys.NameOf(ObjectKind.Value, CommitSamples.Hash(5));
        var entry = Seal(Header(3), "an entry"u8.ToArray());
        var actual = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            ["ledger"] = Keys.Ledger.ToString(),
            ["catalog"] = Keys.Catalog.ToString(),
            ["page"] = Page.ToString(),
            ["object"] = blob.ToString(),
            ["piece"] = Keys.NameOf(new EntryId(9), 1).ToString(),
            ["entry"] = Convert.ToHexStringLower(entry),
            ["blob"] = Convert.ToHexStringLower(BlobSeal.Seal(Keys, blob, "a blob"u8)),
        };

        TestData.AssertGolden("golden/sealing.json", JsonSerializer.SerializeToUtf8Bytes(actual, Indented));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(28)]
    [InlineData(29)]
    [InlineData(EntrySeal.ContentSizeBytesMax)]
    public void What_is_opened_is_what_was_sealed(int sizeBytes)
    {
        var content = CloudProviderConformance.TestContent(1, sizeBytes);

        var entry = Seal(Header(7), content);
        var (header, opened) = EntrySeal.Open(Keys, Page, Entry(Header(7), entry));

        Assert.Equal(content, opened);
        Assert.Equal(Header(7), header);
        Assert.InRange(entry.Length, sizeBytes + 60, Math.Min(sizeBytes + 100, CloudLimits.EntrySizeBytesMax));
    }

    [Fact]
    public void An_entry_that_is_another_one_than_it_says_is_found_out()
    {
        var header = Header(7);
        var content = Seal(header, "content"u8.ToArray());
        var other = new SyncKeys(Secret, Secret, 0, "photos");
        (PageName Page, CloudEntry Entry)[] swapped =
        [
            (new PageName(1), Entry(header, content)),
            (Page, Entry(header with { Sequence = 8 }, content)),
            (Page, Entry(header with { Device = new DeviceId(5) }, content)),
            (Page, Entry(header with { Id = new EntryId(5) }, content)),
            (Page, Entry(header, content[..^1])),
        ];

        Assert.All(swapped, each =>
            Assert.Throws<CorruptObjectException>(() => EntrySeal.Open(Keys, each.Page, each.Entry)));
        Assert.Throws<CorruptObjectException>(() => EntrySeal.Open(other, Page, Entry(header, content)));
    }

    [Fact]
    public void A_dropped_entry_shows_in_the_next_one_of_its_device()
    {
        var first = Seal(Header(0), "first"u8.ToArray());
        var second = Seal(Header(1) with { Previous = EntrySeal.HashOf(first) }, "second"u8.ToArray());
        var third = Header(2) with { Previous = EntrySeal.HashOf(second) };

        var (opened, _) = EntrySeal.Open(Keys, Page, Entry(third, Seal(third, "third"u8.ToArray())));

        Assert.Equal(EntrySeal.HashOf(second), opened.Previous);
        Assert.NotEqual(EntrySeal.HashOf(first), opened.Previous);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(100)]
    [InlineData(70_001)]
    [InlineData(BlobSeal.ContentSizeBytesMax)]
    public void A_blob_is_sealed_to_the_same_bytes_by_everybody_and_opens(int sizeBytes)
    {
        var content = CloudProviderConformance.TestContent(2, sizeBytes);
        var name = new BlobName(1, 2);

        var sealedBlob = BlobSeal.Seal(Keys, name, content);

        Assert.Equal(sealedBlob, BlobSeal.Seal(new SyncKeys(Secret, Secret, 0, "notes"), name, content));
        Assert.Equal(content, BlobSeal.Open(Keys, name, sealedBlob));
        Assert.InRange(
            sealedBlob.Length, sizeBytes + 40, Math.Min((sizeBytes * 1.12) + 60, CloudLimits.BlobSizeBytesMax));
        Assert.Throws<CorruptObjectException>(() => BlobSeal.Open(Keys, new BlobName(1, 3), sealedBlob));
    }

    [Fact]
    public void An_epoch_has_keys_of_its_own_and_names_stay()
    {
        var next = new SyncKeys(Secret, SHA256.HashData(Secret), 1, "notes");
        var name = new BlobName(1, 2);
        var sealedBlob = BlobSeal.Seal(next, name, "x"u8);

        Assert.Equal(Page, next.NameOf(PageId.Root));
        Assert.Equal(Keys.Ledger, next.Ledger);
        Assert.Equal(1u, BlobSeal.ReadEpoch(sealedBlob));
        Assert.Equal(0u, EntrySeal.ReadEpoch(Seal(Header(0), [])));
        Assert.Throws<CorruptObjectException>(() => BlobSeal.Open(Keys, name, sealedBlob));
    }

    [Fact]
    public void Names_of_different_things_never_meet()
    {
        var names = new HashSet<string>
        {
            Keys.Ledger.ToString(),
            Keys.Catalog.ToString(),
            Page.ToString(),
            new SyncKeys(Secret, Secret, 0, "notes2").NameOf(PageId.Root).ToString(),
            Keys.NameOf(ObjectKind.Value, CommitSamples.Hash(1)).ToString()[..32],
            Keys.NameOf(ObjectKind.ValueIndex, CommitSamples.Hash(1)).ToString()[..32],
            Keys.NameOf(new EntryId(1), 0).ToString()[..32],
            Keys.NameOf(new EntryId(1), 1).ToString()[..32],
        };

        Assert.Equal(8, names.Count);
    }

    [Fact]
    public void Nonces_differ_even_when_randomness_repeats_itself()
    {
        var nonces = new HashSet<string>();
        for (var number = 0; number < 200; number++)
        {
            // The same seed each time: a machine that was cloned.
            var entry = Seal(Header(number % 2), Encoding.ASCII.GetBytes($"content {number}"));
            nonces.Add(Convert.ToHexString(entry.AsSpan(3 + 16, SyncKeys.NonceSizeBytes)));
        }

        Assert.Equal(200, nonces.Count);
    }

    [Fact]
    public void Nothing_that_is_sealed_can_be_read_in_it()
    {
        var canary = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("canary of the ledger ", 40)));

        var entry = Seal(Header(1), canary);
        var blob = BlobSeal.Seal(Keys, new BlobName(1, 2), canary);

        Assert.True(entry.AsSpan().IndexOf("canary"u8) < 0 && blob.AsSpan().IndexOf("canary"u8) < 0);
    }

    [Fact]
    public void Mutated_seals_are_rejected()
    {
        var (header, name) = (Header(4), new BlobName(1, 2));
        MutationFuzz.Run(
            "sealed entry", [Seal(header, "some content"u8.ToArray()), Seal(header, new byte[300])],
            content => EntrySeal.Open(Keys, Page, Entry(header, content.ToArray())), count: 100_000, seed: 21);
        MutationFuzz.Run(
            "sealed blob", [BlobSeal.Seal(Keys, name, "some content"u8), BlobSeal.Seal(Keys, name, new byte[300])],
            content => BlobSeal.Open(Keys, name, content.Span), count: 100_000, seed: 22,
            content => BlobSeal.Seal(Keys, name, BlobSeal.Open(Keys, name, content.Span)));
    }

    [Fact]
    public void Padding_adds_at_most_an_eighth()
    {
        for (var sizeBytes = 100; sizeBytes < BlobSeal.ContentSizeBytesMax; sizeBytes += 37)
        {
            Assert.InRange(BlobSeal.PadmeSizeOf(sizeBytes), sizeBytes, sizeBytes * 1.12);
        }
    }

    private static JsonSerializerOptions Indented { get; } = new() { WriteIndented = true };

    private static EntryHeader Header(long sequence) =>
        new(EntryKind.Batch, Page, new EntryId(77), CommitSamples.Device, sequence, 5);

    private static byte[] Seal(EntryHeader header, byte[] content) =>
        EntrySeal.Seal(Keys, new SeededRandomness(1), header, content);

    private static CloudEntry Entry(EntryHeader header, byte[] content) =>
        new(header.Id, header.Device, header.Sequence, content);
}
