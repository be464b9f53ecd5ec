"""The programs that are compared, each as its own manual would have it run.

Each has a folder of its own, which is its home too: caches and what a program
remembers of a repository lie there. Each encrypts, but for `cp`.
"""
import json
import os
import subprocess

from corpus import PASSPHRASE


class Program:
    """One program in a fresh folder. The methods below answer a command line,
    or None for what the program cannot do."""
    name = None
    grows = "repo"      # the folder, below its own, that backups add to

    def __init__(self, folder):
        self.folder = folder
        self.store = folder / self.grows
        self.env = dict(os.environ, HOME=str(folder),
                        XDG_CACHE_HOME=str(folder / "cache"),
                        XDG_CONFIG_HOME=str(folder / "config"),
                        XDG_STATE_HOME=str(folder / "state"))
        folder.mkdir(parents=True)
        self.prepare()

    def call(self, *argv):
        """Run something that is not measured."""
        subprocess.run(argv, env=self.env, cwd=self.folder, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def prepare(self):
        raise NotImplementedError

    def restored(self, file, target):
        """Where restore() puts `file`."""
        return target / file.name


class Keepsay(Program):
    """With a recovery key, which needs no Argon2id."""
    name = "keepsay"

    def __init__(self, folder, program):
        self.program = program
        super().__init__(folder)

    def prepare(self):
        (self.folder / "passphrase").write_text(PASSPHRASE + "\n")
        self.env.update(KEEPSAY_VAULT=str(self.store),
                        KEEPSAY_KEY_FILE=str(self.folder / "key"),
                        KEEPSAY_STATE_DIR=str(self.folder / "state"))
        self.call(self.program, "init", "--recovery-key-out", "key")

    def backup(self, file):
        return [self.program, "backup", file, "--source-key-file",
                "passphrase", "--json"]

    def restore(self, file, target):
        return [self.program, "restore", "latest", "--original",
                "--to", self.restored(file, target)]

    def restore_fresh(self, target):
        return [self.program, "restore", "latest", "--to", target / "fresh",
                "--target-key-out", target / "fresh.key"]

    def copy(self, target):
        return [self.program, "copy", "--to", target / "copy.keepsay"]

    def verify(self):
        return [self.program, "verify", "--read-data"]

    def list(self):
        return [self.program, "list"]

    @staticmethod
    def answer(said):
        """The data of an answer in JSON."""
        return json.loads(said)["data"]


class Restic(Program):
    """Its defaults: compression "auto", a cache, chunks cut by content."""
    name = "restic"

    def prepare(self):
        (self.folder / "password").write_text("a password\n")
        self.env.update(RESTIC_REPOSITORY=str(self.store),
                        RESTIC_PASSWORD_FILE=str(self.folder / "password"))
        self.call("restic", "init")

    def backup(self, file):
        return ["restic", "backup", file]

    def restore(self, file, target):
        return ["restic", "restore", "latest", "--target", target]

    def restored(self, file, target):
        return target / file.relative_to("/")

    def verify(self):
        return ["restic", "check", "--read-data"]

    def list(self):
        return ["restic", "snapshots"]


class Borg(Program):
    """Its defaults, with the key in the repository: lz4, chunks cut by
    content, HMAC-SHA-256."""
    name = "borg"

    def prepare(self):
        self.env.update(BORG_REPO=str(self.store), BORG_PASSPHRASE="a phrase",
                        BORG_BASE_DIR=str(self.folder))
        self.call("borg", "init", "--encryption", "repokey")
        self.count = 0

    def backup(self, file):
        self.count += 1
        return ["borg", "create", f"::{self.count}", file]

    def restore(self, file, target):
        # It extracts to where it stands.
        return ["env", "-C", target, "borg", "extract", f"::{self.count}"]

    def restored(self, file, target):
        return target / file.relative_to("/")

    def verify(self):
        return ["borg", "check", "--verify-data"]

    def list(self):
        return ["borg", "list"]


class Copy(Program):
    """A plain copy of every night's file, unencrypted: the floor of time and
    the ceiling of space. An unchanged file is copied onto itself."""
    name = "cp -a"

    def prepare(self):
        self.store.mkdir()

    def backup(self, file):
        return ["cp", "-a", file, self.store]

    def restore(self, file, target):
        return ["cp", "-a", self.store / file.name, target]

    def verify(self):
        return None

    def list(self):
        return ["ls", "-l", self.store]
