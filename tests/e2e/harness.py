"""What the end-to-end tests share: the program, samples, a terminal.

Every answer in JSON is checked against its schema. KEEPSAY names the program;
each test has a folder of its own, which is all that it sees of a home.
"""
import functools
import json
import os
import pathlib
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
import unittest

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEEPSAY = os.environ.get("KEEPSAY", str(ROOT / "build/keepsay"))
SCHEMAS = ROOT / "doc/schema"
GENERATE = ROOT / "tests/peers/signal/mk_legacy_backup.mjs"
PASSPHRASE = "123451234512345123451234512345"  # the generator's usual one
PATIENCE_S = 60  # for what should come at once, on a busy machine

_samples = None  # the folder of generated files, shared by a run's tests


def generate(name, *options):
    """A generated Signal backup; the same call gives the same file."""
    global _samples
    if _samples is None:
        _samples = tempfile.mkdtemp(prefix="keepsay-e2e-samples-")
    path = pathlib.Path(_samples) / name
    if not path.exists():
        subprocess.run(["node", GENERATE, path, *map(str, options)],
                       check=True, stdout=subprocess.DEVNULL)
    return path


def main():
    """Run the tests of the calling file; remove the samples at the end."""
    if shutil.which("node") is None:
        print("node is missing: no samples can be made")
        sys.exit(77)  # Meson: skipped
    try:
        unittest.main(verbosity=1)
    finally:
        if _samples is not None:
            shutil.rmtree(_samples, ignore_errors=True)


@functools.lru_cache(maxsize=None)
def validator(command):
    """The checker of a command's answers."""
    name = command.replace(" ", "-") or "envelope"
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    resolver = jsonschema.RefResolver(f"{SCHEMAS.as_uri()}/", schema)
    return jsonschema.Draft202012Validator(schema, resolver=resolver)


class Answer:
    """How a run went."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err
        self.envelope = None

    @property
    def data(self):
        return self.envelope["data"]

    @property
    def error(self):
        return self.envelope["error"]


class Case(unittest.TestCase):
    """A test in an empty folder: self.dir, with a home of its own."""

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="keepsay-e2e-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        keep = ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")
        self.env = {k: os.environ[k] for k in keep if k in os.environ}
        (self.dir / "tmp").mkdir()
        self.env.update(HOME=str(self.dir / "home"), TZ="UTC",
                        TMPDIR=str(self.dir / "tmp"),
                        KEEPSAY_STATE_DIR=str(self.dir / "state"))
        (self.dir / "pass").write_text(PASSPHRASE + "\n")

    def path(self, name):
        return self.dir / name

    def run_keepsay(self, *words, code=0, stdin=None, **kw):
        """Run it; `code` is the exit code expected, None any."""
        done = subprocess.run([KEEPSAY, *map(str, words)], cwd=self.dir,
                              env=self.env, input=stdin, timeout=300,
                              stdin=subprocess.DEVNULL if stdin is None
                              else None,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              start_new_session=True, check=False, **kw)
        answer = Answer(done.returncode, done.stdout, done.stderr)
        if code is not None:
            self.assertEqual(code, done.returncode,
                             f"{words}\n{done.stdout.decode()}"
                             f"\n{done.stderr.decode()}")
        return answer

    def json(self, *words, code=0, **kw):
        """Run it with --json; the answer is checked against its schema."""
        answer = self.run_keepsay(*words, "--json", code=code, **kw)
        self.assertEqual(b"", answer.err, "talk in spite of --json")
        answer.envelope = json.loads(answer.out)
        validator(answer.envelope["command"]).validate(answer.envelope)
        error = answer.envelope["error"]
        if error is not None:
            self.assertEqual(answer.code, error["exit"])
        return answer

    def fails(self, *words, code, name):
        """Run it both ways: it fails with this exit code and this JSON code.
        Returns the message."""
        talk = self.run_keepsay(*words, code=code)
        self.assertEqual(b"", talk.out)
        self.assertIn(b"keepsay: ", talk.err)
        answer = self.json(*words, code=code)
        self.assertEqual(name, answer.error["code"])
        return answer.error["message"]

    def init(self, vault="vault", **kw):
        """A vault, named in the environment with its recovery key."""
        self.env["KEEPSAY_VAULT"] = vault
        self.env["KEEPSAY_KEY_FILE"] = "recovery.key"
        self.json("init", "--recovery-key-out", "recovery.key", **kw)

    def backup(self, source, *more, code=0):
        return self.json("backup", source, "--source-key-file", "pass", *more,
                         code=code)

    def bytes_of(self, name):
        return self.path(name).read_bytes()

    def assert_same_file(self, a, b):
        self.assertEqual(pathlib.Path(a).read_bytes(),
                         pathlib.Path(b).read_bytes())

    def files_below(self, name):
        return sorted(p for p in self.path(name).rglob("*") if p.is_file())


class Terminal:
    """keepsay on a terminal of its own."""

    def __init__(self, case, *words, program=KEEPSAY):
        self.master, slave = pty.openpty()
        self.seen = b""  # all that was printed
        self.passed = 0  # how much of it was waited for
        self.before = termios.tcgetattr(slave)
        self.child = subprocess.Popen(
            [program, *map(str, words)], cwd=case.dir, env=case.env,
            stdin=slave, stdout=slave, stderr=slave, preexec_fn=self.control)
        self.slave = slave

    @staticmethod
    def control():
        """In the child: make stdin the controlling terminal, and listen to
        Ctrl-C though whoever runs the tests may not."""
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.setsid()
        os.close(os.open(os.ttyname(0), os.O_RDWR))

    def pump(self, timeout):
        if select.select([self.master], [], [], timeout)[0]:
            self.seen += os.read(self.master, 65536)
            return True
        return False

    def until(self, text):
        """Read until `text` has been printed, after what was waited for
        before."""
        end = time.monotonic() + PATIENCE_S
        while text not in self.seen[self.passed:]:
            ended = self.child.poll() is not None
            if not self.pump(0.05) and (ended or time.monotonic() > end):
                raise AssertionError(f"no {text!r} in {self.seen!r}")
        self.passed = self.seen.index(text, self.passed) + len(text)

    def type(self, text):
        os.write(self.master, text)

    def interrupt(self):
        """Ctrl-C, as the terminal sends it."""
        self.type(b"\x03")

    def echo(self):
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def wait(self):
        """Read until the program has ended."""
        end = time.monotonic() + PATIENCE_S
        while self.child.poll() is None:
            if time.monotonic() > end:
                self.child.send_signal(signal.SIGKILL)
                raise AssertionError(f"still running: {self.seen!r}")
            self.pump(0.05)

    def finish(self):
        """Read to the end; the exit code, or minus the signal."""
        self.wait()
        while self.pump(0):
            pass
        os.close(self.master)
        os.close(self.slave)
        return self.child.returncode
