"""What is damaged, missing, full, locked or mistyped: a clear answer, and
what was there stays."""
import fcntl
import json
import os
import resource
import subprocess

import harness
from harness import KEEPSAY, generate


class Typed(harness.Case):
    def test_an_unknown_flag_names_the_nearest(self):
        message = self.fails("backup", "x", "--lable", "y", code=2,
                             name="USAGE")
        self.assertIn("--label", message)
        message = self.fails("list", "--qiet", code=2, name="USAGE")
        self.assertIn("--quiet", message)
        message = self.fails("list", "--original", code=2, name="USAGE")
        self.assertIn("takes no --original", message)

    def test_an_unknown_command_names_the_nearest(self):
        self.assertIn("backup", self.fails("bakcup", code=2, name="USAGE"))
        self.assertIn("slots", self.fails("key", "x", code=2, name="USAGE"))
        self.fails(code=2, name="USAGE")
        self.fails("help", "nothing", code=2, name="USAGE")

    def test_missing_and_surplus_words_are_refused(self):
        self.fails("backup", code=2, name="USAGE")
        self.fails("list", "surplus", code=2, name="USAGE")
        self.fails("backup", "a", "b", code=2, name="USAGE")
        self.fails("list", "-r", code=2, name="USAGE")
        self.fails("list", *["w"] * 9, code=2, name="USAGE")

    def test_the_vault_must_be_named(self):
        self.assertIn("which vault", self.fails("list", code=2, name="USAGE"))

    def test_restore_wants_to_know_where_and_under_which_key(self):
        self.init()
        self.path("k").write_text("1\n")
        self.fails("restore", "--original", code=2, name="USAGE")
        self.fails("restore", "--to", "x", code=2, name="USAGE")
        self.fails("restore", "--to", "x", "--original", "--target-key-out",
                   "y", code=2, name="USAGE")
        self.fails("restore", "--to", "x", "--target-key-file", "k",
                   "--target-key-out", "y", code=2, name="USAGE")
        self.fails("copy", code=2, name="USAGE")

    def test_a_label_is_one_line_of_text(self):
        self.init()
        source = generate("v1.backup")
        for bad in ("", "a\nb", b"\xff\xfe", "x" * 256):
            done = subprocess.run(
                [KEEPSAY, "backup", source, "--label", bad, "--json"],
                cwd=self.dir, env=self.env, stdout=subprocess.PIPE,
                check=False)
            self.assertEqual(2, done.returncode, bad)

    def test_text_from_outside_is_made_harmless(self):
        evil = "a\x1b[31m\u202eb\x07"
        done = self.run_keepsay("-r", evil, "list", code=10)
        for bad in (b"\x1b", "\u202e".encode(), b"\x07"):
            self.assertNotIn(bad, done.err)
        self.json("-r", evil, "list", code=10)
        done = subprocess.run([KEEPSAY, "-r", b"\xff\xfe", "list", "--json"],
                              cwd=self.dir, env=self.env, check=False,
                              stdout=subprocess.PIPE)
        json.loads(done.stdout.decode("utf-8"))

    def test_an_answer_that_cannot_be_written_is_a_failure(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([KEEPSAY, "help"], stdout=full, check=False,
                                  stderr=subprocess.PIPE)
        self.assertEqual(1, done.returncode)
        self.assertIn(b"could not be written", done.stderr)


class Places(harness.Case):
    def test_what_is_not_there_is_said(self):
        self.init()
        source = generate("v1.backup")
        self.fails("list", "-r", "nowhere", code=10, name="NOTFOUND")
        self.fails("list", "-r", "nowhere.keepsay", code=10, name="NOTFOUND")
        self.fails("list", "-r", "tmp", code=10, name="NOTFOUND")
        self.fails("backup", "nowhere", code=10, name="NOTFOUND")
        self.fails("backup", source, "--source-key-file", "nowhere", code=10,
                   name="NOTFOUND")
        self.fails("restore", "--original", "--to", "x", code=10,
                   name="NOTFOUND")
        self.backup(source)
        self.fails("restore", "--original", "--to", "no/such/folder", code=10,
                   name="NOTFOUND")
        self.fails("copy", "-r", "nowhere", "--to", "x", code=10,
                   name="NOTFOUND")
        self.fails("init", "no/such/folder", "--recovery-key-out", "k",
                   code=10, name="NOTFOUND")

    def test_a_folder_where_a_file_is_expected(self):
        self.init()
        self.path("folder.keepsay").mkdir()
        self.fails("backup", "tmp", code=2, name="USAGE")
        self.fails("list", "-r", "folder.keepsay", code=2, name="USAGE")
        self.fails("list", "-r", "pass", code=2, name="USAGE")
        self.fails("init", "folder.keepsay", "--recovery-key-out", "k",
                   code=1, name="EXISTS")
        os.mkfifo(self.path("fifo"))
        self.fails("backup", "fifo", code=2, name="USAGE")

    def test_a_file_that_is_no_backup(self):
        self.init()
        for content in (b"", b"x", b"hello world\n" * 100, b"\0" * 70000):
            self.path("odd").write_bytes(content)
            self.fails("backup", "odd", "--source-key-file", "pass", code=15,
                       name="UNSUPPORTED")

    def test_nothing_is_replaced_unasked(self):
        self.init()
        source = generate("v1.backup")
        self.backup(source)
        self.path("mine").write_text("precious")
        self.fails("restore", "--original", "--to", "mine", code=1,
                   name="EXISTS")
        self.fails("restore", "--to", "new", "--target-key-out", "mine",
                   code=1, name="EXISTS")
        self.assertFalse(self.path("new").exists())
        self.fails("restore", "--to", "mine", "--target-key-out", "digits",
                   code=1, name="EXISTS")
        self.assertFalse(self.path("digits").exists(), "a key to nothing")
        self.assertEqual("precious", self.path("mine").read_text())
        self.json("restore", "--original", "--force", "--to", "mine")
        self.assert_same_file(source, self.path("mine"))

    def test_a_copy_goes_to_an_empty_place_or_the_same_vault(self):
        self.init()
        self.json("init", "other", "--recovery-key-out", "k")
        self.path("mine").mkdir()
        self.path("mine/letter").write_text("x")
        self.fails("copy", "--to", "vault", code=2, name="USAGE")
        self.fails("copy", "--to", "./tmp/../vault", code=2, name="USAGE")
        self.fails("copy", "--to", "other", code=2, name="USAGE")
        self.fails("copy", "--to", "mine", code=1, name="EXISTS")
        self.assertEqual(["letter"], os.listdir(self.path("mine")))
        self.path("empty").mkdir()
        self.json("copy", "--to", "empty")

    def test_a_vault_at_work_is_busy(self):
        self.init()
        source = generate("v1.backup")
        self.backup(source)
        lock = next(self.path("state").rglob("lock"))
        with open(lock, "rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            self.fails("backup", source, "--source-key-file", "pass",
                       "--force-read", code=11, name="BUSY")
            self.json("list")
        self.json("copy", "--to", "a.keepsay")
        with open(self.path("a.keepsay"), "rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            self.fails("backup", source, "-r", "a.keepsay",
                       "--source-key-file", "pass", code=11, name="BUSY")

    def test_all_key_copies_but_one_may_be_damaged(self):
        self.init()
        self.backup(generate("v1.backup"))
        copies = self.files_below("vault/keys")
        self.assertEqual(2, len(copies))
        self.flip(copies[0], 200)
        self.flip(self.path("vault/vault"), 20)
        answer = self.json("list")
        self.assertEqual(["DAMAGED_HEADER_COPY", "DAMAGED_SLOTS"], sorted(
            w["code"] for w in answer.envelope["warnings"]))
        self.flip(copies[1], 200)
        self.fails("list", code=13, name="CORRUPT")

    @staticmethod
    def flip(path, at):
        data = bytearray(path.read_bytes())
        data[at] ^= 1
        path.chmod(0o600)
        path.write_bytes(data)

    def test_a_damaged_pack_is_found_and_the_vault_still_lists(self):
        self.init()
        self.backup(generate("v1.backup"))
        for pack in self.files_below("vault/packs"):
            self.flip(pack, pack.stat().st_size // 2)
        talk = self.run_keepsay("verify", "--read-data", code=13)
        self.assertIn(b"damage:", talk.out)
        answer = self.json("verify", "--read-data", code=13)
        self.assertEqual("CORRUPT", answer.error["code"])
        self.assertGreater(answer.data["damaged"], 0)
        self.assertTrue(any(f["damage"] for f in answer.data["findings"]))
        self.assertEqual(1, len(self.json("list").data["snapshots"]))
        self.fails("restore", "--original", "--to", "x", code=13,
                   name="CORRUPT")
        self.assertEqual([], [p for p in self.path(".").iterdir()
                              if "x" in p.name])

    def test_a_missing_pack_is_found_without_reading_data(self):
        self.init()
        self.backup(generate("v1.backup"))
        self.files_below("vault/packs")[0].unlink()
        answer = self.json("verify", code=13)
        self.assertEqual(0, answer.data["snapshots_whole"])

    def test_a_damaged_snapshot_does_not_hide_the_others(self):
        self.init()
        self.backup(generate("v1.backup"))
        self.backup(generate("night.backup", "--night", 1))
        self.flip(self.files_below("vault/snapshots")[0], 300)
        answer = self.json("list")
        self.assertEqual(1, len(answer.data["snapshots"]))
        self.assertEqual(["DAMAGED_SNAPSHOTS"], [
            w["code"] for w in answer.envelope["warnings"]])
        self.json("verify", code=13)


class Archives(harness.Case):
    def test_an_unfinished_archive_is_told_without_a_key(self):
        self.init()
        self.backup(generate("v1.backup"))
        self.json("copy", "--to", "a.keepsay")
        whole = self.bytes_of("a.keepsay")
        del self.env["KEEPSAY_KEY_FILE"]
        for size in (len(whole) - 1, len(whole) // 2, 2000):
            self.path("cut.keepsay").write_bytes(whole[:size])
            for words in (("list",), ("verify",), ("copy", "--to", "x")):
                self.fails(*words, "-r", "cut.keepsay", code=14,
                           name="INCOMPLETE")
        self.assertFalse(self.path("x").exists())

    def test_an_older_commit_is_read_on_request(self):
        self.init("a.keepsay")
        first = self.backup(generate("v1.backup")).data
        self.backup(generate("night.backup", "--night", 1))
        self.path("a.keepsay").write_bytes(self.bytes_of("a.keepsay")[:-1])
        self.fails("list", code=14, name="INCOMPLETE")
        kept = self.json("list", "--allow-incomplete").data["snapshots"]
        self.assertEqual([first["snapshot"]], [s["id"] for s in kept])
        self.json("restore", "--allow-incomplete", "--original", "--to", "x")
        self.assert_same_file(generate("v1.backup"), self.path("x"))

    def test_a_flipped_byte_of_an_archive_is_found(self):
        self.init("a.keepsay")
        self.backup(generate("v1.backup"))
        whole = self.bytes_of("a.keepsay")
        for at in range(0, len(whole), len(whole) // 12):
            bad = bytearray(whole)
            bad[at] ^= 0x10
            self.path("a.keepsay").write_bytes(bad)
            answer = self.json("verify", "--read-data", code=None)
            self.assertIn(answer.code, (13, 14, 15), at)


class Sources(harness.Case):
    def setUp(self):
        super().setUp()
        self.init()
        self.whole = generate("v1.backup").read_bytes()

    def write(self, data):
        self.path("s.backup").write_bytes(data)
        return "s.backup"

    def test_a_file_without_its_end_is_kept_only_on_request(self):
        source = self.write(self.whole[:len(self.whole) * 2 // 3])
        flags = ("--source-key-file", "pass")
        self.fails("backup", source, *flags, code=14, name="INCOMPLETE")
        self.assertEqual([], self.json("list").data["snapshots"])
        made = self.backup(source, "--allow-incomplete", code=3)
        self.assertGreater(made.data["lost"], 0)
        self.assertEqual(["LOST"], [w["code"] for w in
                                    made.envelope["warnings"]])
        self.assertIsNone(made.error)

    def test_a_damaged_part_is_named_and_the_rest_is_kept(self):
        whole = self.backup(generate("v1.backup"), "--dry-run").data
        data = bytearray(self.whole)
        data[len(data) // 2] ^= 1
        made = self.backup(self.write(data), code=3).data
        # one frame, its blob, and what is only there for --original
        self.assertGreaterEqual(made["records"] + 4, whole["records"])
        self.assertGreaterEqual(made["blobs"] + 1, whole["blobs"])
        lost = [r for r in made["report"] if r["lost"]]
        self.assertGreaterEqual(len(lost), 1)
        self.assertLessEqual(abs(lost[0]["offset"] - len(data) // 2), 70000)
        talk = self.run_keepsay("backup", "s.backup", "--force-read",
                                "--source-key-file", "pass", code=3)
        self.assertIn(b"lost:", talk.out)
        self.assertIn(b"could not be read", talk.err)
        self.fails("restore", "--original", "--to", "x", code=15,
                   name="UNSUPPORTED")

    def test_trailing_bytes_are_kept_and_come_back(self):
        source = self.write(self.whole + b"and then some")
        made = self.backup(source).data
        self.assertEqual(1, made["report_count"])
        self.json("restore", "--original", "--to", "x")
        self.assertEqual(self.whole + b"and then some", self.bytes_of("x"))


class Disks(harness.Case):
    """A full disk and a read-only one, small and in memory."""

    def on_disk(self, size, script):
        """Run a shell script with a disk of this size mounted at ./disk, where
        nobody else sees it. $K is the program."""
        self.path("disk").mkdir(exist_ok=True)
        flags = "-m" if os.geteuid() == 0 else "-rm"
        mount = f"mount -t tmpfs -o size={size} none disk"
        if subprocess.run(["unshare", flags, "sh", "-c", mount], cwd=self.dir,
                          stderr=subprocess.DEVNULL, check=False).returncode:
            self.skipTest("this machine lets nobody mount a small disk")
        done = subprocess.run(
            ["unshare", flags, "sh", "-c", f"{mount}\n{script}"],
            cwd=self.dir, env=dict(self.env, K=KEEPSAY), check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        self.assertEqual(0, done.returncode, done.stdout.decode())

    def answer(self, name):
        envelope = json.loads(self.path(name).read_text())
        harness.validator(envelope["command"]).validate(envelope)
        return envelope

    def test_a_full_disk_leaves_the_vault_as_it_was(self):
        big = generate("big.backup", "--attach", 40, "--attach-size", 100000)
        for vault in ("disk/vault", "disk/vault.keepsay"):
            with self.subTest(vault=vault):
                self.env.update(KEEPSAY_VAULT=vault, KEEPSAY_KEY_FILE="key",
                                SMALL=str(generate("v1.backup")),
                                BIG=str(big))
                self.on_disk("2m", """
                    rm -f key
                    "$K" init --recovery-key-out key || exit 1
                    "$K" backup "$SMALL" --source-key-file pass || exit 2
                    "$K" backup "$BIG" --source-key-file pass --json >full
                    [ $? = 18 ] || exit 3
                    "$K" list --json >list || exit 4
                    "$K" verify --read-data || exit 5
                    "$K" restore --original --to out --force || exit 6
                    cmp out "$SMALL" """)
                self.assertEqual("FULL", self.answer("full")["error"]["code"])
                listed = self.answer("list")["data"]["snapshots"]
                self.assertEqual(1, len(listed))

    def test_a_restore_to_a_full_disk_leaves_nothing_there(self):
        self.init()
        self.backup(generate("big.backup", "--attach", 40, "--attach-size",
                             100000))
        self.on_disk("1m", """
            "$K" restore --original --to disk/out --json >full
            [ $? = 18 ] || exit 3
            [ -z "$(ls -A disk)" ] || { ls -la disk; exit 4; }
            "$K" copy --to disk/a.keepsay --json >full2
            [ $? = 18 ] || exit 5
            [ -z "$(ls -A disk)" ] || { ls -la disk; exit 6; } """)
        self.assertEqual("FULL", self.answer("full")["error"]["code"])
        self.assertEqual("FULL", self.answer("full2")["error"]["code"])

    def test_a_read_only_vault_is_read_and_not_written(self):
        self.env.update(KEEPSAY_VAULT="disk/vault", KEEPSAY_KEY_FILE="key",
                        SMALL=str(generate("v1.backup")),
                        NIGHT=str(generate("night.backup", "--night", 1)))
        self.on_disk("4m", """
            "$K" init --recovery-key-out key || exit 1
            "$K" backup "$SMALL" --source-key-file pass || exit 2
            mount -o remount,ro disk
            "$K" list || exit 3
            "$K" verify --read-data --json >verify || exit 4
            "$K" restore --original --to out || exit 5
            "$K" backup "$NIGHT" --source-key-file pass --dry-run || exit 6
            "$K" backup "$NIGHT" --source-key-file pass --json >backup
            [ $? = 1 ] || exit 7 """)
        self.assertFalse(self.answer("verify")["data"]["noted"])
        error = self.answer("backup")["error"]
        self.assertEqual("IO", error["code"])
        self.assertIn("only be read", error["hint"])

    def test_a_file_size_limit_is_a_full_disk(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (300000, 300000))

        self.init("a.keepsay")
        small = generate("tiny.backup", "--messages", 10, "--attach", 1)
        self.backup(small)
        big = generate("big.backup", "--attach", 40, "--attach-size", 100000)
        answer = self.json("backup", big, "--source-key-file", "pass",
                           code=18, preexec_fn=limit)
        self.assertEqual("FULL", answer.error["code"])
        self.assertEqual(1, len(self.json("list").data["snapshots"]))
        self.json("verify", "--read-data")


if __name__ == "__main__":
    harness.main()
