#!/usr/bin/python3
"""A backup that is killed at any moment harms nothing.

Two hundred times a night's backup is killed (SIGKILL) at a random moment: the
vault opens, what was whole stays whole, no half-made snapshot is listed, and
the next backup succeeds. Half of them into a folder, half into an archive
file. KS_SEED repeats a run.
"""

import filecmp
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

KEEPSAY = os.environ["KEEPSAY"]
PEERS = os.environ["KS_PEERS"]
PASSPHRASE = "123451234512345123451234512345"
ROUNDS = int(os.environ.get("KS_KILLS", "100"))


def copy_over(source, target):
    """A file or folder in place of another."""
    if os.path.isdir(target):
        shutil.rmtree(target)
    if os.path.isdir(source):
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)


class Place:
    """A vault at one place, the key to it, and keepsay run on it."""

    def __init__(self, folder, vault):
        self.folder = folder
        self.vault = os.path.join(folder, vault)
        self.key = self.vault + ".key"
        self.state = self.vault + ".state"
        self.env = dict(os.environ, KEEPSAY_STATE_DIR=self.state)

    def keep(self):
        """Remember vault and client state as they are now."""
        for path in (self.vault, self.state):
            copy_over(path, path + ".kept")

    def put_back(self):
        for path in (self.vault, self.state):
            copy_over(path + ".kept", path)

    def arguments(self, *args):
        key = [] if args[0] == "init" else ["--key-file", self.key]
        return [KEEPSAY, "-r", self.vault, *key, "--json", *args]

    def run(self, *args, expect=0):
        done = subprocess.run(self.arguments(*args), env=self.env,
                              capture_output=True, check=False)
        if done.returncode != expect:
            raise AssertionError(f"{args}: exit {done.returncode}: "
                                 f"{done.stdout!r} {done.stderr!r}")
        return json.loads(done.stdout)

    def backup(self, source):
        return self.run("backup", source, "--source-key-file",
                        os.path.join(self.folder, "passphrase"))

    def backup_and_kill(self, source, after_s):
        """Whether it was killed before it ended."""
        run = subprocess.Popen(
            self.arguments("backup", source, "--source-key-file",
                           os.path.join(self.folder, "passphrase")),
            env=self.env, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        time.sleep(after_s)
        run.send_signal(signal.SIGKILL)
        return run.wait() == -signal.SIGKILL

    def snapshots(self):
        return [s["id"] for s in self.run("list")["data"]["snapshots"]]


class Kill(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.seed = int(os.environ.get("KS_SEED", time.time_ns() % 10**9))
        print(f"KS_SEED={cls.seed}", flush=True)
        cls.folder = tempfile.mkdtemp(prefix="keepsay-kill-")
        cls.nights = []
        for night in range(2):
            path = os.path.join(cls.folder, f"night{night}.backup")
            subprocess.run(
                ["node", os.path.join(PEERS, "mk_legacy_backup.mjs"), path,
                 "--messages", "3000", "--attach", "60", "--attach-size",
                 "120000", "--night", str(night), "--night-attach", "40"],
                check=True, stdout=subprocess.DEVNULL)
            cls.nights.append(path)
        with open(os.path.join(cls.folder, "passphrase"), "w",
                  encoding="ascii") as file:
            file.write(PASSPHRASE)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def kill_often(self, vault):
        dice = random.Random(f"{self.seed} {vault}")
        place = Place(self.folder, vault)
        place.run("init", "--recovery-key-out", place.key)
        first = place.backup(self.nights[0])["data"]["snapshot"]
        place.keep()
        began = time.monotonic()
        place.backup(self.nights[1])
        takes_s = time.monotonic() - began
        killed = 0
        for i in range(ROUNDS):
            # What a kill leaves behind piles up until a run gets through.
            if len(place.snapshots()) > 1:
                place.put_back()
            killed += place.backup_and_kill(self.nights[1],
                                            dice.uniform(0, takes_s * 1.1))
            after = place.snapshots()
            self.assertEqual(after[0], first)
            self.assertLessEqual(len(after), 2)
            place.run("verify")
            if i % 10 == 9:
                place.run("verify", "--read-data")
        print(f"{vault}: {killed} of {ROUNDS} killed while running")
        self.assertGreater(killed, ROUNDS // 2)
        last = place.backup(self.nights[1])["data"]["snapshot"]
        for snapshot, night in ((first, 0), (last or "latest", 1)):
            out = os.path.join(self.folder, f"out-{vault}-{night}")
            place.run("restore", snapshot, "--original", "--to", out)
            self.assertTrue(filecmp.cmp(out, self.nights[night], False))

    def test_a_vault_in_a_folder_survives(self):
        self.kill_often("vault")

    def test_an_archive_file_survives(self):
        self.kill_often("archive.keepsay")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
