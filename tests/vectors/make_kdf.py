#!/usr/bin/python3
"""Make kdf.txt: Argon2id and the SHA-512 chain.

Needs the Debian package argon2 (the reference implementation's command).

    python3 make_kdf.py > kdf.txt
"""

import hashlib
import subprocess


def hex_or_dash(data):
    """Nothing at all is shown as a dash."""
    return data.hex() or "-"


def chain(input_bytes, salt, rounds):
    """src/crypto/hash.h: h = SHA-512(salt, input, input), then h, input."""
    h = hashlib.sha512(salt + input_bytes + input_bytes).digest()
    for _ in range(rounds - 1):
        h = hashlib.sha512(h + input_bytes).digest()
    return h


def show_chain(input_bytes, salt, rounds):
    print("\nwhat = chain")
    print(f"input = {hex_or_dash(input_bytes)}")
    print(f"salt = {hex_or_dash(salt)}")
    print(f"rounds = {rounds}")
    print(f"out = {chain(input_bytes, salt, rounds).hex()}")


def show_argon2(password, salt, mem_kib, passes):
    command = ["argon2", salt, "-id", "-v", "13", "-p", "1", "-l", "32"]
    command += ["-k", str(mem_kib), "-t", str(passes), "-r"]
    raw = subprocess.run(command, input=password.encode(), check=True,
                         capture_output=True).stdout
    print("\nwhat = argon2id")
    print(f"pass = {password.encode().hex()}")
    print(f"salt = {salt.encode().hex()}")
    print(f"mem_kib = {mem_kib}")
    print(f"passes = {passes}")
    print(f"out = {raw.decode().strip()}")


def main():
    print("# Slow keys, made by make_kdf.py: do not edit.")
    digits = b"123451234512345123451234512345"
    for rounds in (1, 2, 3, 1000, 250000):
        show_chain(digits, bytes(range(32)), rounds)
    for length in (0, 1, 47, 48, 64, 200):
        show_chain(bytes(range(length)), b"", 10)
    show_chain(digits, b"\xff" * 200, 10)
    show_argon2("password", "somesaltsomesalt", 8, 1)
    show_argon2("password", "somesaltsomesalt", 64, 2)
    show_argon2("correct horse battery staple", "0123456789abcdef", 1024, 3)
    show_argon2("Grüße, 東京", "sixteen byte len", 65536, 1)
    show_argon2("x" * 127, "................", 256, 16)


if __name__ == "__main__":
    main()
