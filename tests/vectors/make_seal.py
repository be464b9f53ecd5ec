#!/usr/bin/python3
"""Make seal.txt: sealed objects, written from their description alone.

Needs the Debian packages python3-cryptography and python3-xxhash.

    python3 make_seal.py > seal.txt

Nothing here calls Keepsay. The byte layout is the table in src/crypto/seal.h;
HKDF is RFC 5869 over Python's hmac, the ciphers are python3-cryptography's,
XXH3-128 is python3-xxhash's. Inputs are fixed, so the output is too.
"""

import hashlib
import hmac

import xxhash
from cryptography.hazmat.primitives.ciphers.aead import (
    AESGCM,
    ChaCha20Poly1305,
)

SEGMENT = 65536
SUITES = {1: AESGCM, 2: ChaCha20Poly1305}


def pattern(length):
    return bytes((7 + 131 * i + 17 * (i // 256)) % 256 for i in range(length))


def label_bytes(label, length):
    """Any bytes will do for keys and ids; these can be made again."""
    return hashlib.shake_128(label.encode()).digest(length)


def hkdf_sha256(key, salt, info, length):
    prk = hmac.new(salt, key, hashlib.sha256).digest()
    out, block, n = b"", b"", 1
    while len(out) < length:
        block = hmac.new(prk, block + info + bytes([n]), "sha256").digest()
        out += block
        n += 1
    return out[:length]


def seal(vector):
    bound = b"KEEPSAY\0" + bytes([1, vector["suite"], vector["kind"]])
    bound += bytes(5) + vector["epoch_id"]
    info = b"keepsay object" + bound + vector["vault_id"]
    okm = hkdf_sha256(vector["epoch_key"], vector["salt"], info, 64)
    key, commitment = okm[:32], okm[32:]
    header = bound + vector["salt"] + commitment + bytes(8)
    assert len(header) == 96

    plain = pattern(vector["plain_len"])
    cipher = SUITES[vector["suite"]](key)
    pieces = [plain[i : i + SEGMENT] for i in range(0, len(plain), SEGMENT)]
    sealed, hashes = header, b""
    for index, piece in enumerate(pieces):
        last = 1 if index == len(pieces) - 1 else 0
        nonce = index.to_bytes(11, "little") + bytes([last])
        segment = cipher.encrypt(nonce, piece, None)
        hashes += xxhash.xxh3_128(segment).digest()  # canonical big-endian
        sealed += segment
    name = hashlib.sha256(header + hashes).digest()[:16]
    return header, key, sealed, name


def show(title, vector):
    header, key, sealed, name = seal(vector)
    print(f"\n# {title}")
    for field in ("suite", "kind", "plain_len"):
        print(f"{field} = {vector[field]}")
    for field in ("epoch_key", "epoch_id", "vault_id", "salt"):
        print(f"{field} = {vector[field].hex()}")
    print(f"object_key = {key.hex()}")
    print(f"header = {header.hex()}")
    if len(sealed) <= 512:
        print(f"sealed = {sealed.hex()}")
    print(f"sealed_len = {len(sealed)}")
    print(f"sealed_sha256 = {hashlib.sha256(sealed).hexdigest()}")
    print(f"id = {name.hex()}")


def main():
    print("# Sealed objects, made by make_seal.py: do not edit.")
    print("# Plaintext byte i is (7 + 131 i + 17 (i div 256)) mod 256.")
    print("# object_key is the key derived for this one object.")
    lengths = [1, 15, 16, 17, 100, 4096]
    lengths += [65535, 65536, 65537, 131072, 131073, 200000]
    for suite, cipher in SUITES.items():
        for kind, length in enumerate(lengths, start=1):
            label = f"{suite} {length}"
            vector = {
                "suite": suite,
                "kind": 255 if length == 100 else kind,
                "plain_len": length,
                "epoch_key": label_bytes("epoch key " + label, 32),
                "epoch_id": label_bytes("epoch id " + label, 8),
                "vault_id": label_bytes("vault id " + label, 16),
                "salt": label_bytes("salt " + label, 32),
            }
            show(f"{cipher.__name__}, {length} bytes", vector)


if __name__ == "__main__":
    main()
