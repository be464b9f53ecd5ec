"""The main job on the real program: in, listed, verified, out again."""
import json
import os
import subprocess
import time

import harness
from harness import GENERATE, PASSPHRASE, generate


class Roundtrip(harness.Case):
    def test_a_file_comes_back_byte_for_byte(self):
        for version in (0, 1):
            with self.subTest(version=version):
                source = generate(f"v{version}.backup", "--version", version)
                self.init(f"vault{version}")
                os.rename(self.path("recovery.key"), self.path("key"))
                self.env["KEEPSAY_KEY_FILE"] = "key"
                made = self.backup(source).data
                self.assertEqual(source.stat().st_size, made["source_bytes"])
                self.assertEqual(made["records"], made["new_records"])
                self.assertEqual(made["blobs"], made["new_blobs"])
                self.assertFalse(made["filtered"])
                self.assertEqual([], made["report"])
                back = self.json("restore", "--original", "--to",
                                 f"back{version}").data
                self.assertEqual(made["snapshot"], back["snapshot"])
                self.assertEqual(source.stat().st_size, back["bytes"])
                self.assert_same_file(source, self.path(f"back{version}"))

    def test_the_second_night_costs_what_was_said(self):
        first = generate("n0.backup", "--messages", 3000, "--attach", 20)
        second = generate("n1.backup", "--messages", 3000, "--attach", 20,
                          "--night", 1)
        self.init()
        one = self.backup(first).data
        two = self.backup(second, "--label", "second night").data
        self.assertEqual(one["generation"] + 1, two["generation"])
        self.assertEqual(5, two["new_blobs"])
        self.assertLess(two["new_records"], two["records"])
        self.assertGreaterEqual(two["new_records"], 1000)
        self.assertLess(two["added_bytes"], one["added_bytes"])

        listed = self.json("list").data["snapshots"]
        self.assertEqual([one["snapshot"], two["snapshot"]],
                         [s["id"] for s in listed])
        self.assertEqual([None, "second night"], [s["label"] for s in listed])
        self.assertEqual(listed[1:], self.json(
            "snapshots", "--latest", "1").data["snapshots"])
        self.assertEqual([], self.json("list", "--source",
                                       "other").data["snapshots"])

        for snapshot, source in ((one, first), (two, second)):
            self.json("restore", snapshot["snapshot"][:8], "--original",
                      "--force", "--to", "out")
            self.assert_same_file(source, self.path("out"))

    def test_the_same_content_under_other_keys_adds_nothing(self):
        options = ("--messages", 500, "--attach", 10)
        self.init()
        self.backup(generate("salt1.backup", *options))
        again = self.backup(generate("salt2.backup", *options)).data
        self.assertEqual(0, again["new_records"])
        self.assertEqual(0, again["new_blobs"])
        self.assertLessEqual(again["added_bytes"], 65536)

    def test_info_and_ls_say_what_is_in_a_snapshot(self):
        self.init()
        self.assertIsNone(self.json("info").data["snapshot"])
        self.assertEqual([], self.json("list").data["snapshots"])
        made = self.backup(generate("v1.backup"), "--label", "früh").data
        info = self.json("info", made["snapshot"][:6]).data
        self.assertEqual(1, info["snapshots"])
        self.assertEqual("früh", info["snapshot"]["label"])
        self.assertEqual("signal-v1", info["snapshot"]["source"])
        for key in ("records", "blobs", "added_bytes", "generation", "time"):
            self.assertEqual(made[key], info["snapshot"][key])
        streams = self.json("ls", "latest").data["streams"]
        self.assertIn("sql/message", [s["name"] for s in streams])
        self.assertEqual(made["records"], sum(s["records"] for s in streams))
        self.assertEqual(made["streams"], len(streams))
        text = self.run_keepsay("info").out.decode()
        self.assertIn("früh", text)
        self.assertIn(made["snapshot"], text)
        self.fails("info", "0123abcd", code=10, name="NOTFOUND")
        self.fails("ls", "zzzz", code=10, name="NOTFOUND")

    def test_a_fresh_file_is_one_that_the_app_accepts(self):
        source = generate("v1.backup")
        self.init()
        self.backup(source)
        self.json("restore", "--to", "fresh", "--target-key-out", "digits")
        digits = self.path("digits").read_text()
        self.assertRegex(digits, r"^[0-9]{30}\n$")
        self.assertEqual(0o600, self.path("digits").stat().st_mode & 0o777)
        want = self.peer_reads(source, PASSPHRASE)
        self.assertEqual(want, self.peer_reads(self.path("fresh"),
                                               digits.strip()))
        self.assertNotEqual(source.read_bytes(), self.bytes_of("fresh"))

        self.path("own").write_text("77777 11111 22222 33333 44444 55555\n")
        self.json("restore", "--to", "fresh2", "--target-key-file", "own")
        self.assertEqual(want, self.peer_reads(
            self.path("fresh2"), "777771111122222333334444455555"))
        again = self.json("backup", "fresh2", "--source-key-file", "own").data
        self.assertEqual((0, 0), (again["new_records"], again["new_blobs"]))

    @staticmethod
    def peer_reads(path, passphrase):
        """What an independent reader counts in a backup file."""
        done = subprocess.run(["node", GENERATE, "--read", path, passphrase],
                              check=True, stdout=subprocess.PIPE)
        counts = json.loads(done.stdout)
        counts.pop("version", None)
        return counts

    def test_a_folder_gets_a_file_named_by_the_time(self):
        self.init()
        made = self.backup(generate("v1.backup")).data
        self.path("there").mkdir()
        back = self.json("restore", "--original", "--to", "there").data
        when = made["time"].translate(str.maketrans("T:", "--", "Z"))
        self.assertEqual(f"there/signal-{when}.backup", back["path"])
        self.assertEqual([self.path(back["path"])], self.files_below("there"))

    def test_an_archive_file_is_the_same_vault(self):
        source = generate("v1.backup")
        self.init()
        made = self.backup(source).data
        vault = self.json("list").data["vault"]
        copied = self.json("copy", "--to", "a.keepsay").data
        self.assertEqual(vault, copied["vault"])
        self.assertEqual(0, copied["objects_there"])
        again = self.json("copy", "--to", "a.keepsay").data
        self.assertEqual((0, copied["objects"]),
                         (again["objects"], again["objects_there"]))

        info = self.json("info", "a.keepsay").data
        self.assertEqual(made["snapshot"], info["snapshot"]["id"])
        self.json("-r", "a.keepsay", "verify", "--read-data")
        self.json("copy", "-r", "a.keepsay", "--to", "again")
        for name in ("a.keepsay", "again"):
            self.json("-r", name, "restore", "--original", "--force",
                      "--to", "out")
            self.assert_same_file(source, self.path("out"))

        night = generate("night.backup", "--night", 1)
        more = self.json("-r", "a.keepsay", "backup", night,
                         "--source-key-file", "pass").data
        self.assertEqual(2, more["generation"])
        back = self.json("copy", "-r", "a.keepsay", "--to", "vault").data
        self.assertGreater(back["objects"], 0)
        self.assertEqual(more["snapshot"], self.json(
            "info").data["snapshot"]["id"])

    def test_init_makes_an_archive_file_as_well(self):
        source = generate("v1.backup")
        self.init("new.keepsay")
        self.assertTrue(self.path("new.keepsay").is_file())
        self.backup(source)
        self.json("restore", "--original", "--to", "out")
        self.assert_same_file(source, self.path("out"))

    def test_verify_says_what_it_proved_and_notes_it(self):
        self.init()
        self.backup(generate("v1.backup"))
        plain = self.json("verify").data
        self.assertEqual((1, 1, 0), (plain["snapshots"],
                                     plain["snapshots_whole"],
                                     plain["packs_read"]))
        self.assertFalse(plain["noted"])
        part = self.json("verify", "--read-data=10%").data
        self.assertEqual(10, part["data_percent"])
        self.assertFalse(self.json("info").data["snapshot"]["verified"])
        full = self.json("verify", "--read-data").data
        self.assertEqual(full["packs"], full["packs_read"])
        self.assertTrue(full["noted"])
        self.assertTrue(self.json("info").data["snapshot"]["verified"])
        for bad in ("0", "101", "x", "10%%", "-1", ""):
            self.fails("verify", f"--read-data={bad}", code=2, name="USAGE")

    def test_parts_of_consecutive_verifications_cover_all(self):
        self.init()
        big = generate("parts.backup", "--attach", 30, "--attach-size",
                       1000000)
        self.backup(big)
        packs = self.json("verify").data["packs"]
        self.assertGreaterEqual(packs, 4)
        read = [self.json("verify", "--read-data=25").data["packs_read"]
                for _ in range(4)]
        self.assertEqual(packs, sum(read))

    def test_a_dry_run_is_exact_and_stores_nothing(self):
        self.init()
        self.backup(generate("v1.backup"))
        before = [(p, p.read_bytes()) for p in self.files_below("vault")]
        state = [(p, p.read_bytes()) for p in self.files_below("state")]
        night = generate("night.backup", "--night", 1)
        dry = self.backup(night, "--dry-run").data
        self.assertIsNone(dry["snapshot"])
        self.assertTrue(dry["dry_run"])
        self.assertEqual(before, [(p, p.read_bytes())
                                  for p in self.files_below("vault")])
        self.assertEqual(state, [(p, p.read_bytes())
                                 for p in self.files_below("state")])
        real = self.backup(night).data
        for key in ("records", "blobs", "new_records", "new_blobs",
                    "generation", "streams", "source_bytes"):
            self.assertEqual(real[key], dry[key], key)
        self.assertAlmostEqual(real["added_bytes"], dry["added_bytes"],
                               delta=8192)


class Unchanged(harness.Case):
    def setUp(self):
        super().setUp()
        self.init()
        self.source = self.path("s.backup")
        self.source.write_bytes(generate("v1.backup").read_bytes())
        time.sleep(2.1)  # looks settle: see job/looks.h
        self.made = self.backup(self.source).data

    def test_a_file_that_looks_the_same_is_not_read_again(self):
        again = self.json("backup", self.source).data  # no source key either
        self.assertTrue(again["unchanged"])
        self.assertEqual(self.made["snapshot"], again["snapshot"])
        self.assertEqual((0, 0, 0), (again["new_records"], again["new_blobs"],
                                     again["added_bytes"]))
        self.assertEqual(1, len(self.json("list").data["snapshots"]))
        self.json("backup", self.source, "--fail-if-empty", code=21)
        talk = self.run_keepsay("backup", self.source).out.decode()
        self.assertIn("Nothing changed since", talk)
        self.assertTrue(self.json("backup", self.source,
                                  "--dry-run").data["unchanged"])

    def test_anything_else_reads_it(self):
        self.assertFalse(self.backup(self.source, "--force-read"
                                     ).data["unchanged"])
        self.assertFalse(self.backup(self.source, "--no-media"
                                     ).data["unchanged"])
        self.assertFalse(self.backup(self.source, "--label", "kept"
                                     ).data["unchanged"])
        with open(self.source, "ab") as file:
            file.write(b"x")
        self.assertFalse(self.backup(self.source).data["unchanged"])

    def test_a_touched_file_is_read(self):
        os.utime(self.source, (1, 1))
        self.assertFalse(self.backup(self.source).data["unchanged"])

    def test_a_forgotten_memo_costs_time_only(self):
        for memo in self.path("state").rglob("memo"):
            memo.write_bytes(b"garbage")
        self.assertFalse(self.backup(self.source).data["unchanged"])
        self.assertTrue(self.backup(self.source).data["unchanged"])

    def test_a_snapshot_that_is_gone_is_made_again(self):
        for snapshot in self.files_below("vault/snapshots"):
            snapshot.unlink()
        self.assertFalse(self.backup(self.source).data["unchanged"])


class Policy(harness.Case):
    def setUp(self):
        super().setUp()
        self.init()

    def test_media_can_be_left_out(self):
        source = generate("v1.backup")
        whole = self.backup(source, "--dry-run").data
        made = self.backup(source, "--no-media").data
        self.assertEqual(0, made["blobs"])
        self.assertTrue(made["filtered"])
        self.assertEqual({"media": whole["blobs"]}, made["skipped"])
        self.assertTrue(self.json("list").data["snapshots"][0]["filtered"])
        message = self.fails("restore", "--original", "--to", "out", code=15,
                             name="UNSUPPORTED")
        self.assertIn("left out", message)
        self.json("restore", "--to", "out", "--target-key-out", "digits")
        counts = Roundtrip.peer_reads(self.path("out"),
                                      self.path("digits").read_text().strip())
        self.assertEqual(0, counts.get("attachments", 0))

    def test_large_attachments_can_be_left_out(self):
        source = generate("sizes.backup", "--attach", 8, "--attach-size",
                          50000)
        whole = self.backup(source, "--dry-run").data
        made = self.backup(source, "--max-attachment-size", "40K").data
        self.assertEqual({"attachment-size": 8}, made["skipped"])
        self.assertEqual(whole["blobs"] - 8, made["blobs"])
        all_kept = self.backup(source, "--max-attachment-size", "1M").data
        self.assertFalse(all_kept["filtered"])
        self.fails("backup", source, "--max-attachment-size", "big", code=2,
                   name="USAGE")

    def test_a_forgotten_source_key_means_no_original(self):
        self.backup(generate("v1.backup"), "--forget-source-key")
        self.fails("restore", "--original", "--to", "out", code=15,
                   name="UNSUPPORTED")
        self.json("restore", "--to", "out", "--target-key-out", "digits")


if __name__ == "__main__":
    harness.main()
