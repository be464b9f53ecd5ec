"""What a person under stress reads: each answer names the right thing, and
no advice leads them further astray."""
import os
import re
import signal
import subprocess
import time

import harness
from harness import KEEPSAY, generate


class Help(harness.Case):
    def test_no_line_of_help_breaks_a_flag_in_two(self):
        names = [c["name"] for c in self.json("help").data["commands"]]
        for name in names:
            text = self.run_keepsay("help", *name.split()).out.decode()
            self.assertIsNone(re.search(r"--?[a-z-]+-\s", text), name)

    def test_a_group_of_commands_has_help(self):
        text = self.run_keepsay("help", "key").out.decode()
        for name in ("show", "verify", "slots", "add", "remove"):
            self.assertIn(f"key {name}", text)
        self.assertNotIn("backup", text)

    def test_the_topics_stand_in_one_column(self):
        text = self.run_keepsay("help").out.decode()
        columns = {len(m[0]) for m in
                   re.finditer(r"^  help \S+ +(?=\S)", text, re.M)}
        self.assertEqual(1, len(columns))

    def test_a_flag_before_any_command_gets_a_whole_hint(self):
        err = self.run_keepsay("--jsn", code=2).err.decode()
        self.assertIn("`keepsay help`", err)
        self.assertNotIn("help `", err)


class Secrets(harness.Case):
    def test_what_was_run_together_with_a_letter_is_not_repeated(self):
        err = self.run_keepsay("list", "-phunter2", code=2).err.decode()
        self.assertIn("-p", err)
        self.assertNotIn("hunter2", err)
        err = self.run_keepsay("list", "-qpx", code=2).err.decode()
        self.assertIn("no flag -p", err)


class Keys(harness.Case):
    def test_a_key_file_that_is_not_there_is_no_missing_vault(self):
        self.init()
        answer = self.json("list", "--key-file", "nowhere", code=10)
        self.assertNotIn("init", answer.error["hint"])
        self.assertIn("key", answer.error["hint"])
        answer = self.json("list", "-r", "nowhere", code=10)
        self.assertIn("init", answer.error["hint"])

    def test_an_interrupted_key_command_is_an_interrupted_run(self):
        self.init()
        source = generate("v1.backup")
        run = subprocess.Popen(
            [KEEPSAY, "backup", source, "--source-key-file", "pass",
             "--key-command", "echo up >&2; exec sleep 60"],
            cwd=self.dir, env=self.env, start_new_session=True,
            stderr=subprocess.PIPE)
        self.assertEqual(b"up\n", run.stderr.readline())
        time.sleep(0.1)  # for the shell to become the sleep
        os.killpg(run.pid, signal.SIGINT)
        err = run.communicate(timeout=harness.PATIENCE_S)[1]
        self.assertEqual(130, run.returncode, err)
        self.assertIn(b"interrupted", err)


class Streams(harness.Case):
    def test_talk_never_goes_into_the_vault(self):
        """With stdout and stderr closed, as some daemons start programs, the
        next file that is opened must not take their numbers."""
        self.init("a.keepsay")
        slot = self.json("key", "slots").data["slots"][0]["id"]
        before = self.bytes_of("a.keepsay")
        for closed in ("<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-",
                       ">&- 2>&-", "<&- >&- 2>&-"):
            done = subprocess.run(
                ["sh", "-c", f'exec "$@" {closed}', "sh", KEEPSAY, "key",
                 "remove", slot, "--no-input"],
                cwd=self.dir, env=self.env, check=False, close_fds=True,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.assertEqual(2, done.returncode, closed)
            self.assertEqual(before, self.bytes_of("a.keepsay"), closed)
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" >&-', "sh", KEEPSAY, "list"],
            cwd=self.dir, env=self.env, check=False, stderr=subprocess.PIPE)
        self.assertEqual(1, done.returncode)
        self.assertIn(b"could not be written", done.stderr)


class Snapshots(harness.Case):
    def test_an_empty_choice_is_not_an_empty_vault(self):
        self.init()
        self.assertIn(b"no snapshot yet", self.run_keepsay("list").out)
        self.backup(generate("v1.backup"))
        out = self.run_keepsay("list", "--source", "matrix").out
        self.assertNotIn(b"no snapshot yet", out)
        self.assertIn(b"matrix", out)

    def test_damaged_snapshots_are_not_an_empty_vault(self):
        self.init()
        self.backup(generate("v1.backup"))
        for name in self.path("vault/snapshots").iterdir():
            name.chmod(0o600)
            data = bytearray(name.read_bytes())
            data[-1] ^= 1
            name.write_bytes(data)
        for command in ("list", "info"):
            answer = self.run_keepsay(command)
            self.assertIn(b"damaged", answer.err)
            self.assertNotIn(b"no snapshot yet", answer.out)

    def test_losses_are_told_again_when_nothing_changed(self):
        self.init()
        data = bytearray(generate("v1.backup").read_bytes())
        data[len(data) // 2] ^= 1
        source = self.path("bad.backup")
        source.write_bytes(data)
        old = time.time() - 3600
        os.utime(source, (old, old))
        time.sleep(2.1)  # until a later change would show in the file's times
        first = self.backup(source, code=3)
        self.assertFalse(first.data["unchanged"])
        again = self.backup(source, code=3)
        self.assertTrue(again.data["unchanged"])
        self.assertEqual(first.data["lost"], again.data["lost"])
        self.assertEqual(["LOST"],
                         [w["code"] for w in again.envelope["warnings"]])
        talk = self.run_keepsay("backup", source, code=3)
        self.assertNotIn(b"has it all", talk.out)
        self.assertIn(b"lost:", talk.out)


if __name__ == "__main__":
    harness.main()
