"""Keys: made, shown, given in every way, mistyped, added and taken away."""
import os
import re
import secrets
import subprocess

import harness
from harness import KEEPSAY, Terminal, generate

GROUPS = re.compile(r"(?:[0-9a-z]{4} ){15}[0-9a-z]{4}\n")


class Init(harness.Case):
    def test_the_recovery_key_goes_to_a_file_of_its_owner(self):
        self.init()
        self.assertRegex(self.path("recovery.key").read_text(), GROUPS)
        self.assertEqual(0o600,
                         self.path("recovery.key").stat().st_mode & 0o777)

    def test_a_key_file_is_never_replaced(self):
        self.path("recovery.key").write_text("precious")
        self.fails("init", "vault", "--recovery-key-out", "recovery.key",
                   code=1, name="EXISTS")
        self.assertEqual("precious", self.path("recovery.key").read_text())
        self.assertFalse(self.path("vault").exists())

    def test_no_key_file_is_left_of_a_vault_that_was_not_made(self):
        self.path("vault").mkdir()
        self.path("vault/mine").write_text("x")
        self.fails("init", "vault", "--recovery-key-out", "k", code=1,
                   name="EXISTS")
        self.assertFalse(self.path("k").exists())
        self.assertEqual(["mine"], os.listdir(self.path("vault")))

    def test_a_key_is_not_shown_to_a_pipe(self):
        message = self.fails("init", "vault", code=2, name="USAGE")
        self.assertIn("no terminal", message)
        self.assertFalse(self.path("vault").exists())

    def test_a_key_is_shown_once_on_a_terminal(self):
        terminal = Terminal(self, "init", "vault")
        self.assertEqual(0, terminal.finish())
        shown = terminal.seen.decode()
        rows = re.findall(r"^    ((?:[0-9a-z]{4} ){3}[0-9a-z]{4})\r$", shown,
                          re.M)
        self.assertEqual(4, len(rows), shown)
        self.assertIn("nobody can", shown)
        self.path("k").write_text("\n".join(rows).upper())
        self.json("key", "verify", "-r", "vault", "--key-file", "k")

    def test_the_vault_is_named_once(self):
        self.fails("init", code=2, name="USAGE")
        self.fails("init", "a", "-r", "b", "--recovery-key-out", "k", code=2,
                   name="USAGE")


class Given(harness.Case):
    """Every way to hand over a key."""

    def setUp(self):
        super().setUp()
        self.path("words").write_text("correct horse battery staple\r\n")
        self.path("raw").write_bytes(secrets.token_bytes(32))
        self.json("init", "vault", "--recovery-key-out", "k",
                  "--passphrase-file", "words", "--raw-key-file", "raw")
        self.env["KEEPSAY_VAULT"] = "vault"
        self.key = self.path("k").read_text()

    def test_files_of_each_kind_open_the_vault(self):
        self.path("hex").write_text(self.bytes_of("raw").hex() + "\n")
        for flag, kind in (("--key-file=k", "recovery-key"),
                           ("--passphrase-file=words", "passphrase"),
                           ("--raw-key-file=raw", "raw-key"),
                           ("--raw-key-file=hex", "raw-key")):
            data = self.json("key", "verify", flag).data
            self.assertEqual(kind, data["kind"])
        self.env["KEEPSAY_KEY_FILE"] = "k"
        self.json("list")
        self.json("list", "--passphrase-file", "words")  # the flag wins

    def test_a_recovery_key_may_be_grouped_and_cased_in_any_way(self):
        bare = self.key.replace(" ", "").strip()
        for text in (bare, bare.upper(), "-".join(bare), bare[:32] + "\n" +
                     bare[32:] + "\r\n", " " + self.key):
            self.path("k2").write_text(text)
            self.json("key", "verify", "--key-file", "k2")

    def test_a_descriptor_and_a_command_give_it_too(self):
        for name in ("--key-fd",):
            read, write = os.pipe()
            os.write(write, self.key.encode())
            os.close(write)
            self.json("list", name, read, pass_fds=[read])
            os.close(read)
        self.json("list", "--key-command", "cat k")
        self.fails("list", "--key-command", "exit 3", code=1, name="IO")
        self.fails("list", "--key-command", "true", code=2, name="USAGE")
        self.fails("list", "--key-fd", "x", code=2, name="USAGE")
        self.fails("list", "--key-fd", "321", code=1, name="IO")

    def test_one_key_is_enough(self):
        self.fails("list", "--key-file", "k", "--raw-key-file", "raw", code=2,
                   name="USAGE")

    def test_bad_key_files_say_what_is_wrong(self):
        self.path("empty").write_text("")
        self.path("short").write_bytes(b"x" * 31)
        self.path("long").write_bytes(b"x" * 5000)
        for flag, code, name in (
                ("--key-file=nowhere", 10, "NOTFOUND"),
                ("--key-file=vault", 2, "USAGE"),
                ("--key-file=empty", 2, "USAGE"),
                ("--key-file=long", 1, "LIMIT"),
                ("--raw-key-file=short", 2, "USAGE"),
                ("--raw-key-file=long", 1, "LIMIT"),
                ("--passphrase-file=empty", 2, "USAGE")):
            message = self.fails("list", flag, code=code, name=name)
            self.assertIn(flag.split("=")[1], message)

    def test_wrong_keys_are_told_from_each_other(self):
        self.json("init", "other", "--recovery-key-out", "other.key")
        self.path("w").write_text("wrong horse\n")
        for flag in ("--key-file=other.key", "--passphrase-file=w"):
            self.fails("list", flag, code=12, name="WRONG_KEY")
        self.path("raw2").write_bytes(b"\1" * 32)
        self.fails("list", "--raw-key-file=raw2", code=12, name="WRONG_KEY")
        self.fails("backup", generate("v1.backup"), "--key-file=k",
                   "--source-key-file=w", code=12, name="WRONG_SOURCE_KEY")
        self.assertEqual([], self.json("list", "--key-file=k"
                                       ).data["snapshots"])

    def test_a_mistyped_key_names_its_group(self):
        groups = self.key.split()
        for place in (0, 6, 15):
            wrong = list(groups)
            wrong[place] = ("0" if wrong[place][0] != "0" else
                            "1") + wrong[place][1:]
            self.path("bad").write_text(" ".join(wrong))
            for words in (("list",), ("key", "verify")):
                message = self.fails(*words, "--key-file=bad", code=12,
                                     name="WRONG_KEY")
                self.assertIn(f"group {place + 1} of 16", message)
                self.assertNotIn(wrong[place], message)
        groups[2], groups[8] = groups[8], groups[2]
        self.path("bad").write_text(" ".join(groups))
        message = self.fails("list", "--key-file=bad", code=12,
                             name="WRONG_KEY")
        self.assertIn("3 and 9 are swapped", message)

    def test_nobody_is_asked_where_nobody_is(self):
        for words in (("list",), ("restore", "--original", "--to", "x"),
                      ("list", "--no-input")):
            message = self.fails(*words, code=12, name="WRONG_KEY")
            self.assertIn("key is needed", message)
        self.fails("backup", generate("v1.backup"), "--key-file=k", code=12,
                   name="WRONG_SOURCE_KEY")

    def test_no_flag_takes_a_secret(self):
        for flag in ("--key", "--passphrase", "--password=hunter2"):
            message = self.fails("list", flag, code=2, name="USAGE")
            self.assertIn("command line", message)
            self.assertNotIn("hunter2", message)


class Slots(harness.Case):
    def setUp(self):
        super().setUp()
        self.init()

    def slots(self, *flags):
        return self.json("key", "slots", *flags).data["slots"]

    def test_keys_are_added_and_removed(self):
        first = self.slots()[0]
        self.assertEqual("recovery-key", first["kind"])
        self.assertTrue(first["opened_by"])
        self.path("words").write_text("five or six random words\n")
        self.path("raw").write_bytes(secrets.token_bytes(32))
        words = self.json("key", "add", "--new-passphrase-file",
                          "words").data
        self.json("key", "add", "--new-raw-key-file", "raw")
        added = self.json("key", "add", "--recovery-key-out", "second").data
        self.assertEqual("recovery-key", added["kind"])
        self.assertEqual(["passphrase", "raw-key", "recovery-key",
                          "recovery-key"],
                         sorted(s["kind"] for s in self.slots()))
        for flag in ("--passphrase-file=words", "--raw-key-file=raw",
                     "--key-file=second"):
            self.json("list", flag)

        self.fails("key", "remove", words["slot"][:8], code=2, name="USAGE")
        self.json("key", "remove", words["slot"][:8], "--yes")
        self.fails("list", "--passphrase-file=words", code=12,
                   name="WRONG_KEY")
        self.json("key", "remove", added["slot"], "--yes")
        last = self.json("key", "remove", first["id"], "--yes",
                         "--raw-key-file=raw")
        self.assertEqual(["LAST_RECOVERY_KEY"],
                         [w["code"] for w in last.envelope["warnings"]])
        left = self.slots("--raw-key-file=raw")
        self.assertEqual(["raw-key"], [s["kind"] for s in left])
        self.fails("key", "remove", left[0]["id"], "--yes",
                   "--raw-key-file=raw", code=2, name="USAGE")

    def test_a_slot_must_be_named_clearly(self):
        for word, code, name in (("12", 2, "USAGE"), ("xyzz", 2, "USAGE"),
                                 ("0" * 32, 10, "NOTFOUND")):
            self.fails("key", "remove", word, "--yes", code=code, name=name)

    def test_exactly_one_key_is_added(self):
        self.fails("key", "add", code=2, name="USAGE")
        self.fails("key", "add", "--recovery-key-out", "a",
                   "--new-raw-key-file", "b", code=2, name="USAGE")

    def test_a_short_passphrase_is_warned_of(self):
        self.path("w").write_text("abc")
        answer = self.json("key", "add", "--new-passphrase-file", "w")
        self.assertEqual(["SHORT_PASSPHRASE"],
                         [w["code"] for w in answer.envelope["warnings"]])

    def test_show_shows_only_a_key_that_opens_the_vault(self):
        shown = self.run_keepsay("key", "show").out.decode()
        key = self.path("recovery.key").read_text()
        lines = shown.splitlines()
        self.assertEqual(key.split(), " ".join(lines[1:5]).split())
        self.assertEqual(key.strip(), lines[6])
        self.assertEqual(key.strip(),
                         self.json("key", "show").data["recovery_key"])
        self.path("w").write_text("five or six random words")
        self.json("key", "add", "--new-passphrase-file", "w")
        answer = self.json("key", "show", "--passphrase-file", "w", code=2)
        self.assertIn("key add --recovery-key-out", answer.error["hint"])

    def test_verify_touches_nothing(self):
        before = [(p, p.stat().st_mtime_ns) for p in self.files_below(".")]
        self.json("key", "verify")
        self.assertEqual(before, [(p, p.stat().st_mtime_ns)
                                  for p in self.files_below(".")])


class Asked(harness.Case):
    """Questions at the terminal."""

    def setUp(self):
        super().setUp()
        self.init()
        del self.env["KEEPSAY_KEY_FILE"]
        self.key = self.path("recovery.key").read_text().strip()

    def test_a_key_is_asked_for_and_not_shown(self):
        terminal = Terminal(self, "list")
        terminal.until(b"(not shown): ")
        self.assertFalse(terminal.echo())
        terminal.type(self.key.encode() + b"\n")
        terminal.until(b"no snapshot yet")
        self.assertTrue(terminal.echo())
        self.assertEqual(0, terminal.finish())
        self.assertNotIn(self.key[:9].encode(), terminal.seen)

    def test_a_mistyped_key_is_asked_for_again(self):
        wrong = ("0" if self.key[0] != "0" else "1") + self.key[1:]
        terminal = Terminal(self, "list")
        terminal.until(b"(not shown): ")
        terminal.type(wrong.encode() + b"\n")
        terminal.until(b"group 1 of 16")
        terminal.until(b"(not shown): ")
        terminal.type(self.key.encode() + b"\n")
        self.assertEqual(0, terminal.finish())

    def test_after_three_wrong_keys_it_ends(self):
        self.json("init", "other", "--recovery-key-out", "other.key")
        wrong = self.path("other.key").read_bytes()
        terminal = Terminal(self, "list")
        for again in range(3):
            terminal.until(b"(not shown): ")
            terminal.type(wrong)
            if again < 2:
                terminal.until(b"does not open")
        self.assertEqual(12, terminal.finish())

    def test_ctrl_c_at_the_question_puts_the_terminal_back(self):
        terminal = Terminal(self, "list")
        terminal.until(b"(not shown): ")
        terminal.interrupt()
        terminal.wait()
        self.assertTrue(terminal.echo())
        self.assertEqual(130, terminal.finish())

    def test_after_ctrl_z_the_question_is_asked_anew(self):
        script = 'set -m; "$0" list; fg >/dev/null; exit $?'
        terminal = Terminal(self, "-c", script, KEEPSAY, program="/bin/sh")
        terminal.until(b"(not shown): ")
        terminal.type(b"\x1a")
        terminal.until(b"(not shown): ")
        self.assertFalse(terminal.echo())
        terminal.type(self.key.encode() + b"\n")
        self.assertEqual(0, terminal.finish())

    def test_a_passphrase_is_told_from_a_recovery_key_by_its_shape(self):
        self.path("w").write_text("five or six random words")
        self.json("key", "add", "--new-passphrase-file", "w", "--key-file",
                  "recovery.key")
        for typed in (b"five or six random words\n", self.key.encode() +
                      b"\n"):
            terminal = Terminal(self, "list")
            terminal.until(b"Recovery key or passphrase")
            terminal.type(typed)
            self.assertEqual(0, terminal.finish())

    def test_a_new_passphrase_is_asked_for_twice(self):
        terminal = Terminal(self, "key", "add", "--new-passphrase",
                            "--key-file", "recovery.key")
        terminal.until(b"New passphrase")
        terminal.type(b"five or six random words\n")
        terminal.until(b"Once more")
        terminal.type(b"five or six random wards\n")
        self.assertEqual(2, terminal.finish())
        terminal = Terminal(self, "key", "add", "--new-passphrase",
                            "--key-file", "recovery.key")
        terminal.until(b"New passphrase")
        terminal.type(b"five or six random words\n")
        terminal.until(b"Once more")
        terminal.type(b"five or six random words\n")
        self.assertEqual(0, terminal.finish())
        self.path("w").write_text("five or six random words")
        self.json("list", "--passphrase-file", "w")

    def test_removal_is_asked_about(self):
        self.path("raw").write_bytes(b"\7" * 32)
        added = self.json("key", "add", "--new-raw-key-file", "raw",
                          "--key-file", "recovery.key").data
        for typed, code in ((b"n\n", 130), (b"\n", 130), (b"yes\n", 0)):
            terminal = Terminal(self, "key", "remove", added["slot"][:8],
                                "--key-file", "recovery.key")
            terminal.until(b"[y/N] ")
            self.assertIn(b"can still read", terminal.seen)
            terminal.type(typed)
            self.assertEqual(code, terminal.finish(), typed)

    def test_the_source_passphrase_is_asked_for(self):
        terminal = Terminal(self, "backup", generate("v1.backup"),
                            "--key-file", "recovery.key")
        terminal.until(b"Passphrase of the backup file")
        self.assertFalse(terminal.echo())
        terminal.type(b"12345 12345 12345 12345 12345 12345\n")
        self.assertEqual(0, terminal.finish())

    def test_no_input_means_no_question(self):
        terminal = Terminal(self, "list", "--no-input")
        self.assertEqual(12, terminal.finish())


class WithoutState(harness.Case):
    def test_vault_and_key_are_all_that_is_needed(self):
        source = generate("v1.backup")
        self.init()
        self.backup(source)
        self.env["HOME"] = str(self.path("elsewhere"))
        self.env["KEEPSAY_STATE_DIR"] = str(self.path("elsewhere/state"))
        self.json("restore", "--original", "--to", "out")
        self.assert_same_file(source, self.path("out"))

    def test_the_state_folder_is_where_xdg_says(self):
        self.init()
        del self.env["KEEPSAY_STATE_DIR"]
        self.env["XDG_STATE_HOME"] = str(self.path("xdg"))
        self.backup(generate("v1.backup"))
        folders = list(self.path("xdg/keepsay").iterdir())
        self.assertEqual(1, len(folders))
        self.assertRegex(folders[0].name, "^[0-9a-f]{32}-[0-9a-f]{16}$")
        self.assertEqual(0o700, folders[0].stat().st_mode & 0o777)
        del self.env["XDG_STATE_HOME"]
        self.backup(generate("v1.backup"))
        self.assertTrue(self.path("home/.local/state/keepsay").is_dir())

    def test_version_and_help_need_nothing(self):
        for words in (("version",), ("--version",), ("help",), ("-h",)):
            done = subprocess.run([KEEPSAY, *words], env={}, check=True,
                                  stdout=subprocess.PIPE)
            self.assertIn(b"keepsay", done.stdout)
        self.json("version")
        self.json("help")


if __name__ == "__main__":
    harness.main()
