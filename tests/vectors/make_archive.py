#!/usr/bin/python3
"""Make archive.txt: archive files, byte by byte.

Needs the Debian package python3-xxhash.

    python3 make_archive.py > archive.txt

Follows doc/format-store.md, not the code. A record is one file: what was put
in each commit, and the bytes of the file, or their length and SHA-256 where
they are many.
"""

import hashlib
import struct

import xxhash

CHAIN_MAX = 32


def xxh(data):
    return xxhash.xxh3_128(data).digest()  # canonical big-endian


def slot_bytes(sequence, offset, table):
    slot = (b"KEEPSAY\x1a"
            + struct.pack("<IIQQQ", 1, 0, sequence, offset, len(table))
            + hashlib.sha256(table).digest()
            + struct.pack("<Q", offset + len(table) + 512))
    slot = slot.ljust(496, b"\0")
    return slot + xxh(slot)


def table_bytes(sequence, before, objects, dead):
    offset, length, digest = before or (0, 0, bytes(32))
    table = b"KEEPTOC\n" + struct.pack("<QQQ", sequence, offset, length)
    table += digest + struct.pack("<II", len(objects), len(dead))
    for name, (at, data) in sorted(objects.items()):
        table += struct.pack("<B", len(name)) + name
        table += struct.pack("<QI", at, len(data)) + xxh(data)
    for at, data in dead:
        table += struct.pack("<QQ", at, len(data)) + xxh(data)
    return table


def archive(commits):
    """The file after these commits, each a list of (name, data)."""
    out = bytearray(1024)
    objects, dead, chain = {}, [], []
    for sequence, puts in enumerate(commits, 1):
        new = {}
        for name, data in puts:
            new[name] = (len(out), data)
            out += data
        objects.update(new)
        if len(chain) == CHAIN_MAX:
            dead += [(at, bytes(out[at:at + length + 512]))
                     for at, length, _ in chain]
            chain = []
        if chain:
            table = table_bytes(sequence, chain[-1], new, [])
        else:
            table = table_bytes(sequence, None, objects, dead)
        offset = len(out)
        chain.append((offset, len(table), hashlib.sha256(table).digest()))
        slot = slot_bytes(sequence, offset, table)
        out += table + slot
        if sequence == 1:
            out[0:1024] = slot + slot
        else:  # the older one: slots are written in turn
            at = 512 * (sequence % 2)
            out[at:at + 512] = slot
    return bytes(out)


def show(commits, whole):
    data = archive(commits)
    print(f"commits = {len(commits)}")
    print(f"length = {len(data)}")
    print(f"sha256 = {hashlib.sha256(data).hexdigest()}")
    if whole:
        print(f"bytes = {data.hex()}")
    print()


def many(count):
    """Commit n puts "packs/<n, four digits>" with n bytes of n mod 256."""
    return [[(b"packs/%04d" % n, bytes([n % 256]) * n)]
            for n in range(1, count + 1)]


print("# Archive files, made by make_archive.py: do not edit.")
print('# Commit n puts one object, "packs/" and n in four decimal digits, of')
print("# n bytes that are n mod 256 each.")
print()
for count in (1, 2, 3):
    show(many(count), count == 2)
for count in (32, 33, 34, 65, 66, 300):
    show(many(count), False)
