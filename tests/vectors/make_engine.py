#!/usr/bin/python3
"""Make chunk.txt, cut.txt, pack.txt, list.txt and snapshot.txt.

    for f in chunk cut pack list snapshot; do
        python3 make_engine.py $f > $f.txt
    done

Nothing here calls Keepsay: the bytes follow from doc/format.md alone. Chunks
are stored raw, so no compressor is needed. Inputs are fixed, so the output is
too.
"""

import hashlib
import hmac
import struct
import sys

MASK = (1 << 64) - 1
CUT_MIN, CUT_AVG, CUT_MAX = 16 << 10, 48 << 10, 256 << 10
RECORDS, BLOB, PIECES, LIST = 1, 2, 3, 4
RAW, ZSTD, DELTA = 0, 1, 2


def label_bytes(label, length):
    """Any bytes will do for keys and ids; these can be made again."""
    return hashlib.shake_128(label.encode()).digest(length)


def pattern(length):
    return bytes((7 + 131 * i + 17 * (i // 256)) % 256 for i in range(length))


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def rotate(x, n):
    return (x << n | x >> (64 - n)) & MASK


def sip_round(v):
    v[0] = (v[0] + v[1]) & MASK
    v[1] = rotate(v[1], 13) ^ v[0]
    v[0] = rotate(v[0], 32)
    v[2] = (v[2] + v[3]) & MASK
    v[3] = rotate(v[3], 16) ^ v[2]
    v[0] = (v[0] + v[3]) & MASK
    v[3] = rotate(v[3], 21) ^ v[0]
    v[2] = (v[2] + v[1]) & MASK
    v[1] = rotate(v[1], 17) ^ v[2]
    v[2] = rotate(v[2], 32)


def siphash(key, data):
    """SipHash-2-4 as its authors describe it."""
    k0, k1 = struct.unpack("<QQ", key)
    v = [
        k0 ^ 0x736F6D6570736575,
        k1 ^ 0x646F72616E646F6D,
        k0 ^ 0x6C7967656E657261,
        k1 ^ 0x7465646279746573,
    ]
    whole = len(data) // 8 * 8
    for (word,) in struct.iter_unpack("<Q", data[:whole]):
        v[3] ^= word
        sip_round(v)
        sip_round(v)
        v[0] ^= word
    rest = data[whole:] + bytes(7 - len(data) % 8) + bytes([len(data) & 0xFF])
    word = struct.unpack("<Q", rest)[0]
    v[3] ^= word
    sip_round(v)
    sip_round(v)
    v[0] ^= word
    v[2] ^= 0xFF
    for _ in range(4):
        sip_round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


# The example at the end of the SipHash paper.
assert siphash(bytes(range(16)), bytes(range(15))) == 0xA129CA6149BE45E5


def chunk_id(id_key, kind, plain):
    message = bytes([kind]) + hashlib.sha256(plain).digest()
    return hmac.new(id_key, message, hashlib.sha256).digest()


def show(**fields):
    print()
    for name, value in fields.items():
        if isinstance(value, bytes):
            value = value.hex() if value else "-"
        print(f"{name} = {value}")


def make_chunk():
    id_key = label_bytes("id key", 32)
    for kind in (RECORDS, BLOB, PIECES, LIST):
        for length in (0, 1, 55, 56, 64, 1000):
            plain = pattern(length)
            show(
                kind=kind,
                id_key=id_key,
                plain_len=length,
                id=chunk_id(id_key, kind, plain),
            )
    plain = pattern(1 << 20)
    show(
        kind=BLOB,
        id_key=id_key,
        plain_len=len(plain),
        id=chunk_id(id_key, BLOB, plain),
    )
    # A blob of two pieces: its id is that of the chunk that names them.
    pieces = [pattern(1 << 20), pattern(5)]
    ids = b"".join(chunk_id(id_key, BLOB, p) for p in pieces)
    named = struct.pack("<Q", (1 << 20) + 5) + ids
    show(
        kind=PIECES,
        id_key=id_key,
        plain=named,
        id=chunk_id(id_key, PIECES, named),
    )


def record(i, length):
    """Record number i of a stream; its length is base + i * step % limit,
    unless "large" gives it another."""
    return bytes((i >> 8 * (j % 4)) + 31 * j & 0xFF for j in range(length))


def cut(cut_key, records):
    """Lists of records, one a chunk."""
    chunks, chunk, size = [], [], 0

    def end():
        nonlocal chunk, size
        if chunk:
            chunks.append(chunk)
        chunk, size = [], 0

    for r in records:
        framed = len(varint(len(r))) + len(r)
        if framed > CUT_MAX:
            end()
            chunks.append([r])
            continue
        if size + framed > CUT_MAX:
            end()
        chunk.append(r)
        size += framed
        hashed = siphash(cut_key, r)
        if size >= CUT_MIN and hashed < (len(r) << 64) // CUT_AVG:
            end()
    end()
    return chunks


def make_cut():
    keys = label_bytes("keyring", 96)
    epoch = label_bytes("epoch", 40)
    keyring = b"\x01" + keys + b"\x01" + epoch
    id_key, cut_key = keys[32:64], keys[64:80]
    for count, base, step, limit, large in (
        (0, 0, 7919, 700, {}),
        (1, 0, 7919, 700, {}),
        (2000, 0, 7919, 700, {}),
        (3000, 0, 104729, 40, {}),
        (150000, 0, 1, 3, {}),
        (60, 0, 7919, 30000, {}),
        (60, 16381, 1, 2, {}),
        (900, 0, 7919, 700, {5: 262140, 6: 262141, 7: 262142, 300: 999999}),
        (400, 0, 1, 1, {}),
        (300, 0, 7919, 700, {0: 300000, 150: 100000, 151: 200000, 299: 300000}),
    ):
        lengths = [large.get(i, base + i * step % limit) for i in range(count)]
        chunks = cut(cut_key, [record(i, n) for i, n in enumerate(lengths)])
        ids, hashes = b"", b""
        for c in chunks:
            plain = b"".join(varint(len(r)) + r for r in c)
            ids += chunk_id(id_key, RECORDS, plain)
            hashes += struct.pack("<I", siphash(cut_key, c[0]) & 0xFFFFFFFF)
        show(
            keyring=keyring,
            count=count,
            base=base,
            step=step,
            limit=limit,
            large=" ".join(f"{i}:{n}" for i, n in large.items()) or "-",
            chunks=" ".join(str(len(c)) for c in chunks) or "-",
            first_hashes=hashes,
            ids_sha256=hashlib.sha256(ids).digest(),
        )


def padded(length):
    if length <= 4096:
        return 4096
    exponent = length.bit_length() - 1
    mask = (1 << exponent - exponent.bit_length()) - 1
    return length + mask & ~mask


def entry(chunk):
    out = chunk["id"] + bytes([chunk["kind"] | chunk["form"] << 4])
    out += varint(chunk["stored"]) + varint(chunk["plain"])
    return out + chunk.get("base", b"")


def make_pack():
    def chunk(name, kind, form, stored, plain, **more):
        ident = label_bytes(name, 32)
        return dict(
            id=ident, kind=kind, form=form, stored=stored, plain=plain, **more
        )

    base = label_bytes("base", 32)
    for chunks in (
        [chunk("a", BLOB, RAW, 0, 0)],
        [chunk("a", RECORDS, RAW, 3, 3)],
        [
            chunk("a", RECORDS, ZSTD, 100, 5000),
            chunk("b", LIST, DELTA, 127, 128, base=base),
            chunk("c", PIECES, RAW, 128, 128),
        ],
        [
            chunk("a", BLOB, RAW, 1 << 20, 1 << 20),
            chunk("b", BLOB, ZSTD, 16384, 16385),
        ],
        [chunk(f"{i}", RECORDS, ZSTD, i, 2 * i) for i in range(200)],
    ):
        data, places = b"", []
        for number, c in enumerate(chunks):
            places.append(len(data))
            data += bytes([number & 0xFF]) * c["stored"]
        table = varint(len(chunks)) + b"".join(entry(c) for c in chunks)
        used = len(data) + len(table) + 4
        plain = data + bytes(padded(used) - used) + table
        plain += struct.pack("<I", len(table))
        rows = " ".join(
            f"{c['id'].hex()}:{c['kind']}:{c['form']}:{c['stored']}:"
            f"{c['plain']}:{c.get('base', b'').hex() or '-'}:{place}"
            for c, place in zip(chunks, places)
        )
        show(
            chunks=rows,
            table=table,
            plain_len=len(plain),
            plain_sha256=hashlib.sha256(plain).digest(),
        )


def chunk_ref(ident, plain, records, first_hash, first=None, last=None):
    out = b"\x02" + ident + varint(plain) + varint(records)
    out += struct.pack("<I", first_hash)
    if first is None:
        return out + b"\x00"
    return out + b"\x01" + struct.pack("<q", first) + varint(last - first)


def make_list():
    for kind, name in ((0, ""), (0, "sql/message"), (0, "n" * 120), (1, "")):
        show(
            what="section",
            kind=kind,
            name=name or "-",
            record=b"\x01" + bytes([kind]) + name.encode(),
        )
    ident = label_bytes("chunk", 32)
    for plain, records, first_hash, first, last in (
        (0, 0, 0, None, None),
        (1, 1, 0xFFFFFFFF, None, None),
        (127, 128 - 1, 1, 0, 0),
        (1 << 20, 1, 0x01020304, 1700000000000, 1700000000001),
        (262144, 262144, 7, -(1 << 63) + 1, (1 << 63) - 1),
        (49152, 300, 9, -5, 1 << 40),
    ):
        show(
            what="chunk",
            id=ident,
            plain=plain,
            records=records,
            first_hash=first_hash,
            times="-" if first is None else f"{first} {last}",
            record=chunk_ref(ident, plain, records, first_hash, first, last),
        )
    for length in (0, 1, 1 << 20, (1 << 20) + 1, 3 << 20):
        blob = label_bytes(f"blob {length}", 32)
        count = max(1, -(-length >> 20))
        out = blob + varint(length)
        for i in range(count):
            out += label_bytes(f"piece {i}", 32) if count > 1 else b""
            out += label_bytes(f"fingerprint {i}", 16)
        show(what="blob", id=blob, length=length, pieces=count, record=out)


def field(tag, value):
    return struct.pack("<HI", tag, len(value)) + value


def make_snapshot():
    def ident(name):
        return label_bytes(name, 16)

    counts = [3, 1000, 17, 1 << 40, 12, 2, 65536, 1, 2]
    root = label_bytes("root", 32)
    raw = label_bytes("raw", 32)
    ref = ident("pack") + label_bytes("commitment", 8) + struct.pack("<I", 8192)
    base = label_bytes("base", 32)
    chunk_a = label_bytes("chunk a", 32)
    chunk_b = label_bytes("chunk b", 32)
    entries = chunk_a + bytes([RECORDS | ZSTD << 4]) + varint(300)
    entries += varint(50000)
    entries += chunk_b + bytes([LIST | DELTA << 4]) + varint(20) + varint(900)
    entries += base
    content = b"\x01"
    content += field(1, ident("writer"))
    content += field(2, struct.pack("<Q", 7))
    content += field(3, struct.pack("<Q", 5) + ident("previous"))
    content += field(4, struct.pack("<Q", 9))
    content += field(5, ident("parent"))
    content += field(6, struct.pack("<q", 1700000000123))
    content += field(7, b"signal-v1")
    content += field(8, b"+15550000001")
    content += field(9, "Anna’s phone".encode())
    content += field(14, b"\x02" + root)
    content += field(10, struct.pack("<9Q", *counts))
    content += field(13, b"\x01")
    content += field(11, struct.pack("<Q", 4) + b"media")
    content += field(11, struct.pack("<Q", 1) + b"attachment-size")
    content += field(
        12, struct.pack("<BQQ", 1, 77, 88) + b"\x05frame" + b"no MAC"
    )
    content += field(
        12, struct.pack("<BQQ", 2, 1 << 33, 0) + raw + b"\x04tail" + b"extra"
    )
    content += field(
        15, ident("writer") + struct.pack("<Q", 5) + ident("previous")
    )
    content += field(15, ident("other") + struct.pack("<Q", 1) + ident("third"))
    content += field(16, b"\x06header" + b"\x00\x01\x02")
    content += field(16, b"\x04none")
    content += field(17, ref + varint(2) + entries)
    show(
        writer=ident("writer"),
        previous=ident("previous"),
        parent=ident("parent"),
        root=root,
        raw=raw,
        other=ident("other"),
        third=ident("third"),
        pack=ident("pack"),
        commitment=label_bytes("commitment", 8),
        chunk_a=chunk_a,
        chunk_b=chunk_b,
        base=base,
        content=content,
    )


MAKERS = {
    "chunk": make_chunk,
    "cut": make_cut,
    "pack": make_pack,
    "list": make_list,
    "snapshot": make_snapshot,
}

if __name__ == "__main__":
    print(f"# Made by make_engine.py {sys.argv[1]}: do not edit.")
    MAKERS[sys.argv[1]]()
