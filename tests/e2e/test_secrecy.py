"""What is secret stays so: nothing planted is found in what is stored, in
temporary files, in the state folder, or in the process as others see it."""
import os
import pathlib
import re
import subprocess

import harness
from harness import KEEPSAY, PASSPHRASE, generate

# Prints, in hex, each string of a row and the beginning of each decrypted
# piece of a backup file: whatever an independent reader gets to see.
DUMP = """
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
const create = crypto.createDecipheriv;
const print = (bytes) => console.log(Buffer.from(bytes).toString('hex'));
crypto.createDecipheriv = (...how) => {
  const cipher = create(...how), update = cipher.update.bind(cipher);
  cipher.update = (bytes) => {
    const plain = update(bytes);
    if (plain.length >= 32) print(plain.subarray(0, 32));
    return plain;
  };
  return cipher;
};
syncBuiltinESMExports();
const { readLegacy } = await import(
  './tests/peers/signal/legacy_container.mjs');
const [source, passphrase] = process.argv.slice(1);
for (const { value } of readLegacy(source, passphrase))
  if (value instanceof Uint8Array)
    for (const text of Buffer.from(value).toString('latin1')
      .match(/[ -~]{12,}/g) ?? [])
      print(Buffer.from(text));
"""


def planted(source):
    """What a sample holds, once decrypted, and what surrounds it."""
    dump = subprocess.run(
        ["node", "--input-type=module", "-e", DUMP, source, PASSPHRASE],
        check=True, stdout=subprocess.PIPE, cwd=harness.ROOT).stdout
    words = {bytes.fromhex(line) for line in dump.decode().split()}
    assert len(words) > 200, "the sample is not read"
    return words | {PASSPHRASE.encode(), source.name.encode(),
                    b"secret label", b"correct horse battery staple"}


class Planted(harness.Case):
    def found(self, words, data):
        return [word for word in words if word in data]

    def written_by(self, *words):
        """Every byte that a run writes anywhere but to its answer."""
        log = self.path("strace.log")
        env = dict(self.env, ASAN_OPTIONS="detect_leaks=0")
        done = subprocess.run(
            ["strace", "-f", "-o", log, "-xx", "-s", "99999999", "-e",
             "trace=write,pwrite64,writev,pwritev,pwritev2,sendto", KEEPSAY,
             *map(str, words)], cwd=self.dir, env=env, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.assertEqual(0, done.returncode, done.stderr)
        calls = re.findall(rb"(?:write|sendto)\w*\((?![12],)(.*)",
                           log.read_bytes())
        log.unlink()
        return b"".join(bytes.fromhex(text.replace(b"\\x", b"").decode())
                        for call in calls
                        for text in re.findall(rb'"([^"]*)"', call))

    def test_nothing_planted_is_ever_written(self):
        source = generate("planted.backup", "--messages", 300, "--attach", 8)
        night = generate("planted2.backup", "--messages", 300, "--attach", 8,
                         "--night", 1)
        words = planted(source) | planted(night)
        self.path("words").write_text("correct horse battery staple\n")
        for vault in ("vault", "vault.keepsay"):
            with self.subTest(vault=vault):
                key = vault + ".key"
                self.json("init", vault, "--recovery-key-out", key,
                          "--passphrase-file", "words")
                self.env.update(KEEPSAY_VAULT=vault, KEEPSAY_KEY_FILE=key)
                text = self.bytes_of(key).strip()
                words |= {text, text.replace(b" ", b"")}
                data = b"".join((
                    self.written_by("backup", source, "--source-key-file",
                                    "pass", "--label", "secret label"),
                    self.written_by("backup", night, "--source-key-file",
                                    "pass"),
                    self.written_by("verify", "--read-data"),
                    self.written_by("list"),
                    self.written_by("key", "slots")))
                self.assertGreater(len(data), 200000)
                self.assertEqual([], self.found(words, data))

    def test_nothing_planted_lies_in_vault_state_or_temporary_folder(self):
        source = generate("planted.backup", "--messages", 300, "--attach", 8)
        words = planted(source)
        self.init()
        words.add(self.bytes_of("recovery.key").strip())
        self.backup(source, "--label", "secret label")
        files = (self.files_below("vault") + self.files_below("state") +
                 self.files_below("tmp"))
        self.assertGreater(len(files), 8)
        for path in files:
            data = path.read_bytes() + str(path).encode()
            self.assertEqual([], self.found(words, data), path)
        self.assertEqual([], self.files_below("tmp"))
        self.assertFalse(self.path("home").exists())

    def test_the_search_finds_what_is_there(self):
        source = generate("planted.backup", "--messages", 300, "--attach", 8)
        words = planted(source)
        self.init()
        self.backup(source)
        data = self.written_by("restore", "--to", "fresh", "--target-key-out",
                               "digits")
        self.assertEqual([], self.found(words, data))
        digits = self.bytes_of("digits").strip()
        self.assertEqual([digits], self.found([digits], data))


class Process(harness.Case):
    def test_no_key_is_in_arguments_environment_or_open_to_others(self):
        self.init()
        key = self.path("recovery.key").read_bytes().strip()
        os.mkfifo(self.path("slow"))
        child = subprocess.Popen(
            [KEEPSAY, "backup", generate("v1.backup"), "--source-key-file",
             "slow"], cwd=self.dir, env=self.env, stdout=subprocess.DEVNULL)
        # It holds the vault's key by the time it asks for the source's.
        writer = os.open(self.path("slow"), os.O_WRONLY)
        proc = pathlib.Path(f"/proc/{child.pid}")
        try:
            for name in ("cmdline", "environ"):
                data = (proc / name).read_bytes()
                self.assertIn(b"backup" if name == "cmdline" else b"HOME",
                              data)
                for secret in (key, key.replace(b" ", b""),
                               PASSPHRASE.encode()):
                    self.assertNotIn(secret, data)
            limits = (proc / "limits").read_text()
            self.assertRegex(limits, r"Max core file size +0 +0 ")
            if "ASAN_OPTIONS" not in os.environ:
                # Not dumpable: its /proc files belong to root.
                self.assertEqual(0, (proc / "environ").stat().st_uid)
        finally:
            os.write(writer, PASSPHRASE.encode())
            os.close(writer)
        self.assertEqual(0, child.wait())

    def test_what_is_written_is_for_its_owner_alone(self):
        os.umask(0)
        self.addCleanup(os.umask, 0o022)
        self.init()
        self.backup(generate("v1.backup"))
        self.json("copy", "--to", "a.keepsay")
        self.json("restore", "--to", "fresh", "--target-key-out", "digits")
        for folder in ("vault", "state"):
            for path in (self.path(folder), *self.path(folder).rglob("*")):
                self.assertEqual(0, path.stat().st_mode & 0o077, path)
        for name in ("a.keepsay", "fresh", "digits", "recovery.key"):
            self.assertEqual(0, self.path(name).stat().st_mode & 0o077, name)

    def test_messages_do_not_repeat_what_keys_say(self):
        self.init()
        secret = "hunter2hunter2"
        self.path("k").write_text(secret)
        for words in (("list", "--key-file", "k"),
                      ("list", "--passphrase-file", "k"),
                      ("list", "--raw-key-file", "k"),
                      ("list", "--key-command", "cat k"),
                      ("backup", generate("v1.backup"), "--source-key-file",
                       "k")):
            done = self.run_keepsay(*words, code=None)
            self.assertNotEqual(0, done.code)
            self.assertNotIn(secret.encode(), done.out + done.err)


if __name__ == "__main__":
    harness.main()
