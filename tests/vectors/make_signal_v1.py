#!/usr/bin/python3
"""Make signal_v1.txt: small Signal backup files, and how they are kept.

Needs the Debian package python3-cryptography, for AES-256-CTR.

    python3 make_signal_v1.py > signal_v1.txt

Follows doc/format-signal-v1.md and uses none of Keepsay's code. A line
"record_i" is its stream, its time, its blob's content and its frame: blob ids
depend on the vault, so the content stands in their place.
"""

import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PASSPHRASE = "12345 67890 12345 67890 12345 67890"


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def number(field, n):
    return varint(field << 3) + varint(n)


def data(field, content):
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


def source_key(passphrase, salt):
    text = passphrase.replace(" ", "").encode()
    h = hashlib.sha512(salt + text + text).digest()
    for _ in range(249999):
        h = hashlib.sha512(h + text).digest()
    return h[:32]


def hkdf(key, info, length):
    prk = hmac.digest(bytes(32), key, "sha256")
    out, block = b"", b""
    while len(out) < length:
        block = hmac.digest(
            prk, block + info + bytes([len(out) // 32 + 1]), "sha256")
        out += block
    return out[:length]


class File:
    """A container that grows, and the digest of it."""

    def __init__(self, version, iv, salt):
        header = data(1, iv) + data(2, salt)
        if version:
            header += number(3, version)
        header = data(1, header)
        self.version, self.iv, self.salt = version, iv, salt
        self.key = source_key(PASSPHRASE, salt)
        okm = hkdf(self.key, b"Backup Export", 64)
        self.cipher_key, self.mac_key = okm[:32], okm[32:]
        self.counter = struct.unpack(">I", iv[:4])[0]
        self.header = struct.pack(">I", len(header)) + header
        self.bytes = self.header
        self.digest = hashlib.sha256(self.header)

    def _next(self):
        iv = struct.pack(">I", self.counter) + self.iv[4:]
        self.counter = (self.counter + 1) % 2**32
        mode = modes.CTR(iv)
        return iv, Cipher(algorithms.AES(self.cipher_key), mode).encryptor()

    def _piece(self, plain, mac):
        self.digest.update(struct.pack("<I", len(plain)) + mac)

    def frame(self, content):
        _, stream = self._next()
        length = struct.pack(">I", len(content) + 10)
        if self.version:
            length = stream.update(length)
        sealed = stream.update(content)
        covered = length + sealed if self.version else sealed
        mac = hmac.digest(self.mac_key, covered, "sha256")
        self.bytes += length + sealed + mac[:10]
        self._piece(content, mac)

    def blob(self, content):
        iv, stream = self._next()
        sealed = stream.update(content)
        mac = hmac.digest(self.mac_key, iv + sealed, "sha256")
        self.bytes += sealed + mac[:10]
        self._piece(content, mac)

    def trailing(self, content):
        self.bytes += content
        self.digest.update(content)


def story():
    """(stream, time or None, frame, blob or None), in the file's order."""
    row = data(2, number(2, 1)) + data(2, number(2, 1700000000123))
    row += data(2, data(1, "hello"))
    return [
        ("frame/version", None, data(5, number(1, 223)), None),
        ("frame/statement", None, data(2, data(
            1, "CREATE TABLE message (_id INTEGER, date_sent INTEGER, "
            "body TEXT)")), None),
        ("sql/message", 1700000000123, data(2, data(
            1, "INSERT INTO message VALUES (?,?,?)") + row), None),
        ("sql/message", 1700000000123, data(2, data(
            1, "INSERT INTO message VALUES (?,?,?)") + row), None),
        ("blob/attachment", None, data(4, number(1, 9) + number(3, 5)),
         b"photo"),
        ("frame/keyvalue", None, data(9, data(1, "account.aci") + data(
            7, "11111111-1111-4111-8111-111111111111")), None),
        ("blob/avatar", None, data(7, number(2, 0) + data(3, "2")), b""),
        ("frame/unknown", None, data(12, b"later"), None),
    ]


def order(pieces):
    """The records of the order stream."""
    numbers, records, run = {}, [], []

    def close():
        if run:
            records.append(varint(numbers[run[0]]) + varint(len(run)))
            run.clear()

    for stream, *_ in pieces:
        if stream not in numbers:
            close()
            numbers[stream] = len(numbers) + 1
            records.append(varint(0) + stream.encode())
        if run and run[0] != stream:
            close()
        run.append(stream)
    close()
    return records


def show(version, iv, salt, trailing):
    out = File(version, iv, salt)
    pieces = story()
    for _, _, frame, blob in pieces:
        out.frame(frame)
        if blob is not None:
            out.blob(blob)
    end = number(6, 1)
    out.frame(end)
    out.trailing(trailing)
    print(f"\nversion = {version}")
    print("passphrase =", PASSPHRASE)
    print("file =", out.bytes.hex())
    print("header =", out.header.hex())
    print("key =", out.key.hex())
    print("end =", end.hex())
    print("length =", len(out.bytes))
    print("digest =", out.digest.hexdigest())
    print("trailing =", trailing.hex() or "-")
    print("order =", " ".join(record.hex() for record in order(pieces)))
    print("records =", len(pieces))
    for i, (stream, time, frame, blob) in enumerate(pieces):
        kept = "none" if blob is None else blob.hex() or "empty"
        print(f"record_{i} =", stream, time or "never", kept, frame.hex())


print("# Signal backups and how they are kept, made by make_signal_v1.py: "
      "do not edit.")
show(1, bytes(range(16)), bytes(range(32, 64)), b"")
show(0, b"\xff\xff\xff\xfe" + bytes(12), b"", b"behind the end")
