#!/usr/bin/python3
"""Make keys.txt: vault headers, slots, a note and a writer's state.

Needs the Debian packages argon2, python3-cryptography and python3-xxhash.

    python3 make_keys.py > keys.txt

Nothing here calls Keepsay; doc/format-keys.md is followed instead. Inputs are
fixed, so the output is too.
"""

import hashlib
import subprocess

import xxhash
from make_seal import SUITES, hkdf_sha256, label_bytes

RECOVERY, PASSPHRASE, RAW = 1, 2, 3
AES, CHACHA = 1, 2
OBJECT_NOTE, OBJECT_STATE, OBJECT_SLOT = 4, 9, 10
NO_EPOCH = bytes(8)
SLOT_UNIT = 4096
CREATED_MS = 1_795_000_000_123


def le(value, size):
    return value.to_bytes(size, "little", signed=value < 0)


def hex_or_dash(data):
    return data.hex() or "-"


def show(**fields):
    print()
    for name, value in fields.items():
        if isinstance(value, bytes):
            value = hex_or_dash(value)
        print(f"{name} = {value}")


def seal(plain, key, salt, suite, kind, vault_id):
    """One sealed object of one segment, and its name."""
    assert 1 <= len(plain) <= 65536
    bound = b"KEEPSAY\0" + bytes([1, suite, kind]) + bytes(5) + NO_EPOCH
    info = b"keepsay object" + bound + vault_id
    okm = hkdf_sha256(key, salt, info, 64)
    header = bound + salt + okm[32:] + bytes(8)
    nonce = bytes(11) + b"\1"
    segment = SUITES[suite](okm[:32]).encrypt(nonce, plain, None)
    name = hashlib.sha256(header + xxhash.xxh3_128(segment).digest())
    return header + segment, name.digest()[:16]


def with_padding(content, length):
    plain = le(len(content), 4) + content
    assert len(plain) <= length
    return plain + bytes(length - len(plain))


def show_header(label, version):
    vault_id = label_bytes("vault id " + label, 16)
    header = b"keepsay\n" + le(version, 4) + vault_id + bytes(28)
    header += hashlib.sha256(header).digest()[:8]
    assert len(header) == 64
    show(what="header", version=version, vault_id=vault_id, bytes=header)


def keyring(label, epochs):
    out = b"\1"
    for name in ("control", "id", "cut"):
        out += label_bytes(f"{name} key {label}", 32)
    out += bytes([epochs])
    for i in range(epochs):
        out += label_bytes(f"epoch id {label} {i}", 8)
        out += label_bytes(f"epoch key {label} {i}", 32)
    return out


def argon2id(password, salt, mem_kib, passes):
    """The command takes the salt as text; so it is text here."""
    command = ["argon2", salt.decode(), "-id", "-v", "13", "-p", "1"]
    command += ["-l", "32", "-k", str(mem_kib), "-t", str(passes), "-r"]
    raw = subprocess.run(command, input=password, check=True,
                         capture_output=True).stdout
    return bytes.fromhex(raw.decode().strip())


def show_slot(label, kind, secret, suite, epochs):
    vault_id = label_bytes("vault id " + label, 16)
    slot_salt = label_bytes("slot salt " + label, 32)
    object_salt = label_bytes("object salt " + label, 32)
    keys = keyring(label, epochs)
    mem_kib, passes, argon2_salt, stretched = 0, 0, bytes(16), secret
    if kind == PASSPHRASE:
        mem_kib, passes, argon2_salt = 64, 2, b"sixteen byte len"
        stretched = argon2id(secret, argon2_salt, mem_kib, passes)

    head = b"keyslot\n" + bytes([1, kind]) + bytes(6) + le(CREATED_MS, 8)
    head += le(mem_kib, 4) + le(passes, 4) + argon2_salt + slot_salt
    assert len(head) == 80
    info = b"keepsay slot" + head + vault_id
    slot_key = hkdf_sha256(stretched, slot_salt, info, 32)

    around = len(head) + 96 + 16 + 8
    length = -(-(around + 4 + len(keys)) // SLOT_UNIT) * SLOT_UNIT
    plain = with_padding(keys, length - around)
    sealed, _ = seal(plain, slot_key, object_salt, suite, OBJECT_SLOT,
                     vault_id)
    slot = head + sealed
    slot += hashlib.sha256(slot).digest()[:8]
    assert len(slot) == length
    show(what="slot", kind=kind, secret=secret, vault_id=vault_id,
         created_ms=CREATED_MS, mem_kib=mem_kib, passes=passes,
         slot_key=slot_key, keyring=keys,
         id=hashlib.sha256(slot).digest()[:16], bytes=slot)


def show_note():
    label = "note"
    vault_id = label_bytes("vault id " + label, 16)
    keys = keyring(label, 1)
    ids = [label_bytes(f"snapshot {i}", 16) for i in range(3)]
    writers = [label_bytes(f"writer {i}", 16) for i in range(2)]
    text = "Märchen".encode()
    content = bytes([1, 1]) + le(41, 8) + writers[0] + le(CREATED_MS, 8)
    content += le(len(ids), 4) + b"".join(ids)
    content += le(len(text), 2) + text
    content += le(2, 4)
    for i, writer in enumerate(writers):
        content += writer + le(1000 + i, 8) + ids[i]
    sealed, name = seal(with_padding(content, 4096), keys[1:33],
                        label_bytes("object salt note", 32), AES,
                        OBJECT_NOTE, vault_id)
    show(what="note", vault_id=vault_id, keyring=keys, kind=1, counter=41,
         writer=writers[0], time_ms=CREATED_MS, ids=b"".join(ids), text=text,
         other_writer=writers[1], content=content, id=name, bytes=sealed)


def show_state():
    label = "state"
    vault_id = label_bytes("vault id " + label, 16)
    keys = keyring(label, 1)
    writer = label_bytes("writer state", 16)
    last = label_bytes("last snapshot", 16)
    promised = label_bytes("promised snapshot", 16)
    content = b"\1" + writer + le(300, 8) + le(299, 8) + last
    content += b"\1" + promised
    assert len(content) == 66
    key = hkdf_sha256(keys[1:33], bytes(32), b"keepsay client state", 32)
    sealed, _ = seal(with_padding(content, 4096), key,
                     label_bytes("object salt state", 32), CHACHA,
                     OBJECT_STATE, vault_id)
    show(what="state", vault_id=vault_id, keyring=keys, writer=writer,
         run=300, last_run=299, last=last, promised=promised, bytes=sealed)


def main():
    print("# Keys and control objects, made by make_keys.py: do not edit.")
    show_header("header", 1)
    show_slot("raw", RAW, label_bytes("raw", 32), AES, 1)
    show_slot("recovery", RECOVERY, label_bytes("recovery", 30), CHACHA, 2)
    show_slot("passphrase", PASSPHRASE, "Grüße, 東京".encode(), AES, 1)
    show_slot("95 epochs", RAW, label_bytes("95", 32), CHACHA, 95)
    show_note()
    show_state()


if __name__ == "__main__":
    main()
