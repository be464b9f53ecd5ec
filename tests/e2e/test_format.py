"""What the program writes is what doc/format.md says: a reader made from that
page alone opens vaults and archive files, finds every record and blob, and
writes the Signal file again, byte for byte."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "vectors"))
import harness
import second_reader
from harness import generate
from make_engine import siphash

NIGHTS = ("--messages", 1200, "--attach", 12, "--seed", 5)


class Format(harness.Case):
    def open(self, name):
        store = (second_reader.Archive if name.endswith(".keepsay")
                 else second_reader.Folder)
        return second_reader.Vault(store(self.path(name)),
                                   self.bytes_of("recovery.key").decode())

    def check_snapshot(self, vault, snapshot, info):
        streams, records, blobs = snapshot.counts[:3]
        self.assertEqual(len(snapshot.streams), streams)
        self.assertEqual(records, sum(len(snapshot.records(s))
                                      for s in snapshot.streams))
        self.assertEqual(len(snapshot.blobs), blobs)
        self.assertEqual(len(set(i for i, _ in snapshot.blobs)), blobs)
        for blob_id, length in snapshot.blobs:
            self.assertEqual(length, len(vault.blob(blob_id)))
        self.assertEqual((info["id"], info["generation"], info["records"]),
                         (snapshot.id, snapshot.generation, records))

    def check_cuts(self, vault, snapshot):
        """No chunk of a stream ends where it should not, or goes on where it
        should end; hashes are those of first records."""
        for name, chunks in snapshot.streams.items():
            for number, (rows, first_hash, _) in enumerate(chunks):
                hashes = [siphash(vault.cut_key[:16], r) for r in rows]
                self.assertEqual(hashes[0] & 0xFFFFFFFF, first_hash)
                size = 0
                for i, (row, h) in enumerate(zip(rows, hashes)):
                    size += len(row) + len(varint(len(row)))
                    ends = size >= 16384 and h < (len(row) << 64) // 49152
                    last = i == len(rows) - 1
                    self.assertTrue(last or not ends, name)
                    if last and number < len(chunks) - 1 and not ends:
                        first = chunks[number + 1][0][0]
                        self.assertGreater(size + len(first) + 3, 262144)

    def test_a_second_reader_finds_everything(self):
        self.init()
        nights = [generate(f"f{n}.backup", *NIGHTS, "--night", n)
                  for n in range(3)]
        for night in nights:
            self.backup(night)
        self.backup(generate("f-v0.backup", "--version", 0))
        nights.append(generate("f-v0.backup", "--version", 0))
        self.json("copy", "--to", "copy.keepsay")
        listed = self.json("list").data["snapshots"]
        for name in ("vault", "copy.keepsay"):
            vault = self.open(name)
            snapshots = vault.snapshots()
            self.assertEqual(4, len(snapshots))
            for snapshot, info, night in zip(snapshots, listed, nights):
                self.check_snapshot(vault, snapshot, info)
                self.assertEqual(night.read_bytes(),
                                 second_reader.SignalFile(snapshot).bytes())
            self.check_cuts(vault, snapshots[1])
            self.assertTrue(any(place[2] == second_reader.DELTA
                                for places in vault.places.values()
                                for place in places))

    def test_an_index_says_what_the_packs_say(self):
        self.init()
        source = generate("small.backup", "--messages", 50, "--attach", 1)
        for _ in range(16):
            self.backup(source, "--force-read")
        vault = self.open("vault")
        self.assertEqual(1, len(vault.store.names("index")))
        self.assertEqual(vault.places, vault.index_entries())

    def test_a_large_blob_comes_in_pieces(self):
        self.init()
        source = generate("large.backup", "--messages", 5, "--attach", 1,
                          "--attach-size", 3 << 20)
        self.backup(source)
        vault = self.open("vault")
        snapshot, = vault.snapshots()
        self.assertTrue(any(length > 1 << 20 for _, length in snapshot.blobs))
        self.assertEqual(source.read_bytes(),
                         second_reader.SignalFile(snapshot).bytes())


def varint(value):
    return bytes(max(1, -(-value.bit_length() // 7)))


if __name__ == "__main__":
    harness.main()
