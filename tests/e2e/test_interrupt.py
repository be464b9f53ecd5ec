"""Ctrl-C in the middle of everything, and the line that shows how far it is."""
import os
import re
import signal
import subprocess
import time

import harness
from harness import KEEPSAY, Terminal, generate

BIG = ("big60.backup", "--attach", 60, "--attach-size", 1000000)


class Interrupted(harness.Case):
    """Each command is stopped when its progress line first appears."""

    def setUp(self):
        super().setUp()
        self.init()
        self.small = generate("v1.backup")
        self.backup(self.small)

    def stop(self, word, *words):
        """Run it on a terminal, and press Ctrl-C when `word` is seen."""
        terminal = Terminal(self, *words)
        terminal.until(word)
        terminal.interrupt()
        self.assertEqual(130, terminal.finish(), terminal.seen)
        self.assertIn(b"stopped", terminal.seen)

    def assert_vault_whole(self, vault="vault", count=1):
        self.json("-r", vault, "verify", "--read-data")
        listed = self.json("-r", vault, "list").data["snapshots"]
        self.assertEqual(count, len(listed))

    def test_a_backup_is_not_taken_for_whole(self):
        big = generate(*BIG)
        self.stop(b"reading", "backup", big, "--source-key-file", "pass")
        self.assert_vault_whole()
        self.backup(big)
        self.assert_vault_whole(count=2)
        self.json("restore", "--original", "--to", "out")
        self.assert_same_file(big, self.path("out"))

    def test_a_backup_into_an_archive_is_not_taken_for_whole(self):
        self.json("copy", "--to", "a.keepsay")
        self.stop(b"reading", "-r", "a.keepsay", "backup", generate(*BIG),
                  "--source-key-file", "pass")
        self.assert_vault_whole("a.keepsay")
        self.json("-r", "a.keepsay", "backup", generate(*BIG),
                  "--source-key-file", "pass")
        self.assert_vault_whole("a.keepsay", count=2)

    def test_a_restore_leaves_no_file(self):
        self.backup(generate(*BIG))
        self.path("there").mkdir()
        self.stop(b"writing", "restore", "--to", "there", "--target-key-out",
                  "there/digits")
        self.assertEqual([], self.files_below("there"))

    def test_a_copy_is_gone_on_with(self):
        self.backup(generate(*BIG))
        for to in ("second", "second.keepsay"):
            with self.subTest(to=to):
                self.stop(b"copying", "copy", "--to", to)
                self.json("copy", "--to", to)
                self.assert_vault_whole(to, count=2)

    def test_a_verification_stops(self):
        self.backup(generate(*BIG))
        self.stop(b"verifying", "verify", "--read-data")
        self.assertFalse(self.json("info").data["snapshot"]["verified"])

    def test_a_stopped_command_answers_in_json(self):
        self.path("k").unlink(missing_ok=True)
        os.mkfifo(self.path("k"))
        child = subprocess.Popen(
            [KEEPSAY, "backup", generate(*BIG), "--source-key-file", "k",
             "--json"], cwd=self.dir, env=self.env, stdout=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))
        with open(self.path("k"), "wb") as key:
            child.send_signal(signal.SIGTERM)
            time.sleep(0.05)
            key.write(harness.PASSPHRASE.encode())
        out, _ = child.communicate(timeout=harness.PATIENCE_S)
        self.assertEqual(130, child.returncode)
        envelope = harness.json.loads(out)
        harness.validator("backup").validate(envelope)
        self.assertEqual("CANCELLED", envelope["error"]["code"])
        self.assert_vault_whole()

    def test_a_second_signal_ends_it_at_once(self):
        os.mkfifo(self.path("k"))
        child = subprocess.Popen(
            [KEEPSAY, "backup", generate(*BIG), "--source-key-file", "k"],
            cwd=self.dir, env=self.env, stdout=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))
        key = os.open(self.path("k"), os.O_WRONLY)
        child.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        self.assertIsNone(child.poll(), "the first is only noted")
        child.send_signal(signal.SIGTERM)
        self.assertEqual(130, child.wait(harness.PATIENCE_S))
        child.stdout.close()
        os.close(key)
        self.assert_vault_whole()


class Shown(harness.Case):
    """The progress line."""

    def setUp(self):
        super().setUp()
        self.init()

    def run_on_terminal(self, *words):
        terminal = Terminal(self, "backup", generate(*BIG),
                            "--source-key-file", "pass", "--force-read",
                            *words)
        self.assertEqual(0, terminal.finish(), terminal.seen)
        return terminal.seen.decode()

    def test_progress_is_one_line_that_is_taken_away(self):
        seen = self.run_on_terminal()
        self.assertRegex(seen, r"reading  [0-9.]+ [KMG]?i?B of 5[0-9.]+ MiB")
        drawn, _, rest = seen.partition("\u2713")
        self.assertNotIn("\n", drawn)
        self.assertTrue(drawn.split("\x1b[32m")[0].endswith("\r\x1b[K"), seen)
        self.assertIn("Backed up", rest)
        for line in re.split("\r\x1b\\[K", drawn):
            self.assertLess(len(line), 80)

    def test_it_is_not_drawn_where_it_is_not_wanted(self):
        for flag in ("--no-progress", "--quiet", "--json"):
            self.assertNotIn("reading", self.run_on_terminal(flag), flag)
        talk = self.run_keepsay("backup", generate(*BIG), "--force-read",
                                "--source-key-file", "pass")
        self.assertEqual(b"", talk.err)

    def test_colours_are_left_out_on_request(self):
        self.assertIn("\x1b[32m", self.run_on_terminal())
        self.assertNotIn("\x1b[32m", self.run_on_terminal("--no-color"))
        self.env["NO_COLOR"] = "1"
        self.assertNotIn("\x1b[32m", self.run_on_terminal())

    def test_quiet_says_nothing_when_all_is_well(self):
        talk = self.run_keepsay("backup", generate("v1.backup"), "-q",
                                "--source-key-file", "pass")
        self.assertEqual((b"", b""), (talk.out, talk.err))


if __name__ == "__main__":
    harness.main()
