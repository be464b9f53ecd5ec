#!/usr/bin/python3
"""Make fingerprint.txt: GMAC under a nonce of zeros.

Needs the Debian package python3-cryptography, for one AES block at a time.

    python3 make_fingerprint.py > fingerprint.txt

GHASH is done bit by bit from NIST SP 800-38D, section 6.3 and 6.4.
"""

import hashlib

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

R = 0xE1 << 120


def aes_block(key, block):
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return encryptor.update(block)


def multiply(x, y):
    z, v = 0, y
    for bit in range(127, -1, -1):
        if x >> bit & 1:
            z ^= v
        v = (v >> 1) ^ R if v & 1 else v >> 1
    return z


def gmac(key, nonce, data):
    h = int.from_bytes(aes_block(key, bytes(16)), "big")
    padded = data + bytes(-len(data) % 16)
    y = 0
    for i in range(0, len(padded), 16):
        y = multiply(y ^ int.from_bytes(padded[i : i + 16], "big"), h)
    return finish(key, nonce, y, len(data))


def finish(key, nonce, y, length):
    """The tag, from y, the GHASH of the data alone."""
    h = int.from_bytes(aes_block(key, bytes(16)), "big")
    y = multiply(y ^ 8 * length << 64, h)
    mask = int.from_bytes(aes_block(key, nonce + b"\0\0\0\1"), "big")
    return (y ^ mask).to_bytes(16, "big")


def gmac_of_zeros(key, nonce, length):
    """GHASH stays 0 for as long as the data does."""
    return finish(key, nonce, 0, length)


def main():
    print("# Fingerprints, made by make_fingerprint.py: do not edit.")
    print("# Byte i of the data is (7 + 131 i + 17 (i div 256)) mod 256.")
    for length in (0, 1, 15, 16, 17, 255, 256, 4096, 10000):
        key = hashlib.sha256(b"fingerprint %d" % length).digest()
        data = bytes(
            (7 + 131 * i + 17 * (i // 256)) % 256 for i in range(length)
        )
        print(f"\nkey = {key.hex()}")
        print(f"len = {length}")
        print(f"out = {gmac(key, bytes(12), data).hex()}")
    key = hashlib.sha256(b"fingerprint of zeros").digest()
    assert gmac(key, bytes(12), bytes(99)) == gmac_of_zeros(
        key, bytes(12), 99
    )
    length = (1 << 30) + 17
    print("\n# so many bytes of zero")
    print(f"key = {key.hex()}")
    print(f"zeros = {length}")
    print(f"out = {gmac_of_zeros(key, bytes(12), length).hex()}")


if __name__ == "__main__":
    main()
