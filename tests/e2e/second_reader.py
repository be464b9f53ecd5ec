"""A second reader of vaults, written from doc/format.md and the pages it names.

Uses none of Keepsay's code: hashes are Python's, ciphers OpenSSL's, zstd's and
xxHash's own libraries do the rest. It is slow, holds everything in memory, and
refuses loudly: what it gets wrong, the pages get wrong, or Keepsay does.
"""
import ctypes
import hashlib
import hmac
import pathlib
import struct

CRYPTO = ctypes.CDLL("libcrypto.so.3")
ZSTD = ctypes.CDLL("libzstd.so.1")
XXHASH = ctypes.CDLL("libxxhash.so.0")
for _lib, _names in (
    (CRYPTO, ("EVP_CIPHER_CTX_new", "EVP_aes_256_gcm", "EVP_aes_256_ctr",
              "EVP_chacha20_poly1305")),
    (ZSTD, ("ZSTD_createDCtx",)),
):
    for _name in _names:
        getattr(_lib, _name).restype = ctypes.c_void_p
ZSTD.ZSTD_decompressDCtx.restype = ctypes.c_size_t

PACK, SNAPSHOT, INDEX, NOTE, SLOT = 1, 2, 3, 4, 10
RECORDS, BLOB, PIECES, LIST = 1, 2, 3, 4
RAW, DELTA = 0, 2
SEGMENT, PIECE = 65536, 1 << 20


class _Hash128(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


XXHASH.XXH3_128bits.restype = _Hash128


def xxh3(data):
    h = XXHASH.XXH3_128bits(data, ctypes.c_size_t(len(data)))
    return struct.pack(">QQ", h.high, h.low)


def require(truth, what):
    if not truth:
        raise ValueError(what)


def hkdf(key, salt, info, length):
    prk = hmac.digest(salt or bytes(32), key, "sha256")
    out, block, n = b"", b"", 1
    while len(out) < length:
        block = hmac.digest(prk, block + info + bytes([n]), "sha256")
        out += block
        n += 1
    return out[:length]


def _cipher(name, key, iv):
    ctx = ctypes.c_void_p(CRYPTO.EVP_CIPHER_CTX_new())
    kind = ctypes.c_void_p(getattr(CRYPTO, name)())
    require(CRYPTO.EVP_DecryptInit_ex(ctx, kind, None, key, iv) == 1, name)
    return ctx


def open_segment(suite, key, nonce, sealed):
    name = {1: "EVP_aes_256_gcm", 2: "EVP_chacha20_poly1305"}[suite]
    ctx = _cipher(name, key, nonce)
    out = ctypes.create_string_buffer(len(sealed))
    n = ctypes.c_int(0)
    CRYPTO.EVP_CIPHER_CTX_ctrl(ctx, 0x11, 16, sealed[-16:])  # the tag
    CRYPTO.EVP_DecryptUpdate(ctx, out, ctypes.byref(n), sealed[:-16],
                             len(sealed) - 16)
    good = CRYPTO.EVP_DecryptFinal_ex(ctx, out, ctypes.byref(n)) == 1
    CRYPTO.EVP_CIPHER_CTX_free(ctx)
    require(good, "a segment's tag")
    return out.raw[:len(sealed) - 16]


def aes_ctr(key, block, data):
    ctx = _cipher("EVP_aes_256_ctr", key, block)
    out = ctypes.create_string_buffer(len(data) + 1)
    n = ctypes.c_int(0)
    CRYPTO.EVP_DecryptUpdate(ctx, out, ctypes.byref(n), data, len(data))
    CRYPTO.EVP_CIPHER_CTX_free(ctx)
    return out.raw[:len(data)]


def gmac(key, data):
    """The fingerprint of a piece."""
    ctx = ctypes.c_void_p(CRYPTO.EVP_CIPHER_CTX_new())
    kind = ctypes.c_void_p(CRYPTO.EVP_aes_256_gcm())
    tag = ctypes.create_string_buffer(16)
    n = ctypes.c_int(0)
    CRYPTO.EVP_EncryptInit_ex(ctx, kind, None, key, bytes(12))
    CRYPTO.EVP_EncryptUpdate(ctx, None, ctypes.byref(n), data, len(data))
    CRYPTO.EVP_EncryptFinal_ex(ctx, tag, ctypes.byref(n))
    CRYPTO.EVP_CIPHER_CTX_ctrl(ctx, 0x10, 16, tag)
    CRYPTO.EVP_CIPHER_CTX_free(ctx)
    return tag.raw


def unzstd(frame, length, prefix=b""):
    ctx = ctypes.c_void_p(ZSTD.ZSTD_createDCtx())
    out = ctypes.create_string_buffer(length + 1)
    if prefix:
        ZSTD.ZSTD_DCtx_refPrefix(ctx, prefix, ctypes.c_size_t(len(prefix)))
    got = ZSTD.ZSTD_decompressDCtx(ctx, out, ctypes.c_size_t(length + 1),
                                   frame, ctypes.c_size_t(len(frame)))
    ZSTD.ZSTD_freeDCtx(ctx)
    require(got == length, "a zstd frame's length")
    return out.raw[:length]


class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def left(self):
        return len(self.data) - self.at

    def take(self, n):
        require(0 <= n <= self.left(), "bytes that are not there")
        self.at += n
        return self.data[self.at - n:self.at]

    def number(self, form):
        return struct.unpack("<" + form, self.take(struct.calcsize(form)))[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.number("B")
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                require(value < 1 << 64, "a varint")
                return value

    def rows(self):
        while self.left():
            yield self.take(self.varint())


# Stores


class Folder:
    def __init__(self, path):
        self.path = pathlib.Path(path)

    def get(self, name):
        return (self.path / name).read_bytes()

    def names(self, folder):
        below = self.path / folder
        return sorted(p.name for p in below.iterdir()) if below.is_dir() else []


class Archive:
    def __init__(self, path):
        self.data = pathlib.Path(path).read_bytes()
        self.objects = {}
        offset, length, sha = max(filter(None, map(self.slot, (0, 512))))[1]
        while offset:
            table = self.data[offset:offset + length]
            require(hashlib.sha256(table).digest() == sha, "a table's SHA-256")
            offset, length, sha = self.table(Cursor(table))

    def slot(self, at):
        slot = self.data[at:at + 512]
        if xxh3(slot[:496]) != slot[496:]:
            return None
        require(slot[:8] == b"KEEPSAY\x1a", "a commit slot's magic")
        _, _, sequence, offset, length = struct.unpack_from("<IIQQQ", slot, 8)
        end, = struct.unpack_from("<Q", slot, 72)
        require(end == offset + length + 512, "a commit slot's length")
        require(self.data[end - 512:end] == slot or at == 512, "an end slot")
        return sequence, (offset, length, slot[40:72])

    def table(self, c):
        require(c.take(8) == b"KEEPTOC\n", "a table's magic")
        c.number("Q")
        before = c.number("Q"), c.number("Q"), c.take(32)
        count, dead = c.number("I"), c.number("I")
        for _ in range(count):
            name = c.take(c.number("B")).decode()
            at, length, sum_ = c.number("Q"), c.number("I"), c.take(16)
            data = self.data[at:at + length]
            require(xxh3(data) == sum_, f"{name}'s checksum")
            require(name not in self.objects, f"{name} twice")
            self.objects[name] = data
        c.take(32 * dead)
        require(c.left() == 0, "a table's end")
        return before

    def get(self, name):
        return self.objects[name]

    def names(self, folder):
        return sorted(n.split("/")[1] for n in self.objects
                      if n.startswith(folder + "/"))


# Keys

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def times(a, b):
    """In GF(2^5) modulo x^5 + x^2 + 1."""
    product = 0
    for bit in range(5):
        if b >> bit & 1:
            product ^= a << bit
    for bit in range(8, 4, -1):
        if product >> bit & 1:
            product ^= 0b100101 << bit - 5
    return product


def recovery_key(text):
    digits = [ALPHABET.index(c) for c in text.lower() if c not in " -\n"]
    require(len(digits) == 64, "a recovery key's length")
    bits = 0
    for g in range(16):
        *key, check = digits[4 * g:4 * g + 4]
        c = g + 1
        for weight, digit in zip((2, 4, 8), key):
            c ^= times(weight, digit)
            bits = bits << 5 | digit
        require(c == check, f"group {g + 1}")
    return bits.to_bytes(30, "big")


def open_sealed(data, kind, key_of, vault_id):
    """The plaintext of a sealed object, and its commitment."""
    header = data[:96]
    require(header[:9] == b"KEEPSAY\0\1" and header[10] == kind, "a header")
    require(not any(header[11:16] + header[88:]), "a header's zeros")
    info = b"keepsay object" + header[:24] + vault_id
    derived = hkdf(key_of(header[16:24]), header[24:56], info, 64)
    require(derived[32:] == header[56:88], "a commitment")
    plain, index, at = b"", 0, 96
    while at < len(data):
        sealed = data[at:at + SEGMENT + 16]
        at += len(sealed)
        nonce = index.to_bytes(11, "little") + bytes([at == len(data)])
        plain += open_segment(header[9], derived[:32], nonce, sealed)
        index += 1
    require(len(plain) == padded(len(plain)), "a padded length")
    return plain, header[56:88]


def sealed_name(data):
    hashes = b"".join(xxh3(data[at:at + SEGMENT + 16])
                      for at in range(96, len(data), SEGMENT + 16))
    return hashlib.sha256(data[:96] + hashes).digest()[:16].hex()


def padded(length):
    if length <= 4096:
        return 4096
    e = length.bit_length() - 1
    unit = 1 << e - e.bit_length()
    return -(-length // unit) * unit


def content_of(plain):
    length, = struct.unpack_from("<I", plain)
    require(length + 4 <= len(plain) and not any(plain[4 + length:]),
            "a whole object's padding")
    return plain[4:4 + length]


class Vault:
    """What a recovery key opens."""

    def __init__(self, store, recovery_text):
        self.store = store
        header = store.get("vault")
        require(header == store.get("vault.2"), "the header's copies")
        require(header[:12] == b"keepsay\n" + bytes([1, 0, 0, 0]), "a header")
        require(hashlib.sha256(header[:56]).digest()[:8] == header[56:],
                "the header's checksum")
        self.id = header[12:28]
        keyring = self.open_slots(recovery_key(recovery_text))
        self.control, self.id_key, self.cut_key = (
            keyring[1:33], keyring[33:65], keyring[65:97])
        self.epochs = {keyring[98 + 40 * i:106 + 40 * i]:
                       keyring[106 + 40 * i:138 + 40 * i]
                       for i in range(keyring[97])}
        require(len(keyring) == 98 + 40 * keyring[97], "a keyring's length")
        self.fingerprint_key = hkdf(self.id_key, b"", b"keepsay fingerprint",
                                    32)
        self.packs = {}
        self.places = {}  # chunk id: [(pack, kind, form, at, n, plain, base)]
        for name in store.names("packs"):
            self.read_pack(name)

    def open_slots(self, secret):
        for name in self.store.names("keys"):
            slot = self.store.get(f"keys/{name}")
            require(hashlib.sha256(slot).digest()[:16].hex() == name[:32],
                    "a slot's name")
            require(hashlib.sha256(slot[:-8]).digest()[:8] == slot[-8:],
                    "a slot's checksum")
            require(slot[:9] == b"keyslot\n\1" and slot[9] == 1, "a slot")
            key = hkdf(secret, slot[48:80],
                       b"keepsay slot" + slot[:80] + self.id, 32)
            sealed = slot[80:-8]
            info = b"keepsay object" + sealed[:24] + self.id
            derived = hkdf(key, sealed[24:56], info, 64)
            if derived[32:] == sealed[56:88]:
                plain = open_segment(sealed[9], derived[:32],
                                     bytes(11) + b"\1", sealed[96:])
                return content_of(plain)
        raise ValueError("no slot opens")

    def key_of(self, epoch):
        return self.control if epoch == bytes(8) else self.epochs[epoch]

    def sealed(self, folder, name, kind):
        data = self.store.get(f"{folder}/{name}")
        require(sealed_name(data) == name, f"the name of {folder}/{name}")
        return open_sealed(data, kind, self.key_of, self.id)

    def read_pack(self, name):
        plain, commitment = self.sealed("packs", name, PACK)
        length, = struct.unpack("<I", plain[-4:])
        c = Cursor(plain[-4 - length:-4])
        at = 0
        for _ in range(c.varint()):
            entry = read_entry(c, at)
            self.places.setdefault(entry[0], []).append((name, *entry[1:]))
            at += entry[4]
        require(c.left() == 0, "a table's end")
        require(not any(plain[at:-4 - length]), "a pack's zeros")
        self.packs[name] = plain, commitment

    def chunk(self, chunk_id, whole=False):
        """The plaintext of a chunk, and its kind."""
        for pack, kind, form, at, stored, length, base in self.places[chunk_id]:
            if whole and form == DELTA:
                continue
            data = self.packs[pack][0][at:at + stored]
            if form != RAW:
                prefix = self.chunk(base, True)[0] if form == DELTA else b""
                data = unzstd(data, length, prefix)
            require(len(data) == length, "a chunk's length")
            message = bytes([kind]) + hashlib.sha256(data).digest()
            require(hmac.digest(self.id_key, message, "sha256") == chunk_id,
                    "a chunk's id")
            return data, kind
        raise ValueError("a base that is nowhere whole")

    def expect(self, chunk_id, kind):
        data, found = self.chunk(chunk_id)
        require(found == kind, f"a chunk of kind {kind}")
        return data

    def blob(self, blob_id):
        data, kind = self.chunk(blob_id)
        if kind == BLOB:
            return data
        require(kind == PIECES, "a blob's kind")
        length, = struct.unpack_from("<Q", data)
        ids = [data[i:i + 32] for i in range(8, len(data), 32)]
        blob = b"".join(self.expect(i, BLOB) for i in ids)
        require(len(blob) == length and len(ids) == -(-length // PIECE),
                "a blob's length")
        return blob

    def snapshots(self):
        """All of them, in their order."""
        found = [Snapshot(self, name) for name in self.store.names("snapshots")]
        return sorted(found, key=lambda s: (s.generation, s.time, s.id))

    def index_entries(self):
        """Entries of all index objects: {chunk id: [(pack, ...)]}."""
        found = {}
        for name in self.store.names("index"):
            plain, _ = self.sealed("index", name, INDEX)
            length, = struct.unpack("<I", plain[-4:])
            c = Cursor(plain[-4 - length:-4])
            require(c.number("B") == 1, "an index's version")
            count = c.varint()
            for _ in range(2):
                c.take(16 * c.varint())
            packs = [c.take(28) for _ in range(c.varint())]
            fences = c.take(8 * -(-count // 744))
            require(c.left() == 0, "an index's end")
            for i in range(count):
                at = i // 744 * SEGMENT + i % 744 * 88
                e = plain[at:at + 88]
                require(i % 744 or e[:8] == fences[i // 744 * 8:][:8],
                        "a fence")
                pack, offset, stored, length = struct.unpack_from("<4I", e, 64)
                ref = packs[pack]
                require(self.packs[ref[:16].hex()][1][:8] == ref[16:24],
                        "a pack reference")
                found.setdefault(e[:32], []).append(
                    (ref[:16].hex(), e[80], e[81], offset, stored, length,
                     e[32:64] if e[81] == DELTA else b""))
        return found


def read_entry(c, at):
    chunk_id, bits = c.take(32), c.number("B")
    kind, form = bits & 15, bits >> 4
    stored, plain = c.varint(), c.varint()
    require(1 <= kind <= 4 and form <= 2 and max(stored, plain) <= PIECE,
            "an entry")
    return (chunk_id, kind, form, at, stored, plain,
            c.take(32) if form == DELTA else b"")


class Snapshot:
    def __init__(self, vault, name):
        self.vault, self.id = vault, name
        self.extras, self.counts, self.packs = {}, None, []
        self.streams, self.blobs = {}, []
        content = content_of(vault.sealed("snapshots", name, SNAPSHOT)[0])
        c = Cursor(content)
        require(c.number("B") == 1, "a snapshot's version")
        while c.left():
            tag, length = c.number("H"), c.number("I")
            self.field(tag, Cursor(c.take(length)))
        self.walk(self.root, self.level, None)

    def field(self, tag, c):
        if tag == 4:
            self.generation = c.number("Q")
        elif tag == 6:
            self.time = c.number("q")
        elif tag == 7:
            self.source = c.take(c.left()).decode()
        elif tag == 10:
            self.counts = struct.unpack("<9Q", c.take(72))
        elif tag == 14:
            self.level, self.root = c.number("B"), c.take(32)
        elif tag == 16:
            name = c.take(c.number("B")).decode()
            self.extras[name] = c.take(c.left())
        elif tag == 17:
            pack, commitment, size = c.take(16), c.take(8), c.number("I")
            mine = self.vault.packs[pack.hex()]
            require(mine[1][:8] == commitment, "a pack reference")
            require(len(self.vault.store.get(f"packs/{pack.hex()}")) == size,
                    "a pack's size")
            at = 0
            for _ in range(c.varint()):
                e = read_entry(c, at)
                require((pack.hex(), *e[1:]) in self.vault.places[e[0]],
                        "an entry that its pack does not have")
                at += e[4]
            self.packs.append(pack.hex())

    def walk(self, chunk_id, level, section):
        for row in Cursor(self.vault.expect(chunk_id, LIST)).rows():
            c = Cursor(row)
            if c.number("B") == 1:
                require(level == 0, "a section above level 0")
                kind, name = c.number("B"), c.take(c.left()).decode()
                section = None if kind == 1 else name
                if kind == 0:
                    self.streams.setdefault(name, [])
                continue
            ref, plain, count = c.take(32), c.varint(), c.varint()
            first_hash = c.number("I")
            times_ = (c.number("q"), c.varint()) if c.number("B") else None
            require(c.left() == 0, "a reference's end")
            if level > 0:
                section = self.walk(ref, level - 1, section)
                continue
            data = self.vault.expect(ref, LIST if section is None else RECORDS)
            rows = list(Cursor(data).rows())
            require((len(data), len(rows)) == (plain, count), "a reference")
            self.take_chunk(section, rows, first_hash, times_)
        return section

    def take_chunk(self, section, rows, first_hash, times_):
        if section is not None:
            self.streams[section].append((rows, first_hash, times_))
            return
        for row in rows:
            c = Cursor(row)
            blob_id, length = c.take(32), c.varint()
            pieces = max(1, -(-length // PIECE))
            for _ in range(pieces):
                piece = c.take(32) if pieces > 1 else blob_id
                data = self.vault.expect(piece, BLOB)
                require(gmac(self.vault.fingerprint_key, data) == c.take(16),
                        "a fingerprint")
            require(c.left() == 0, "a blob's entry")
            self.blobs.append((blob_id, length))

    def records(self, stream):
        return [r for rows, _, _ in self.streams[stream] for r in rows]


# A Signal backup file out of a snapshot (doc/format-signal-v1.md)


def proto_fields(message):
    """{field number: value}, the last of each."""
    c, found = Cursor(message), {}
    while c.left():
        key = c.varint()
        if key & 7 == 0:
            found[key >> 3] = c.varint()
        elif key & 7 == 2:
            found[key >> 3] = c.take(c.varint())
        else:
            found[key >> 3] = c.take(8 if key & 7 == 1 else 4)
    return found


class SignalFile:
    """The same bytes again."""

    def __init__(self, snapshot):
        extras = snapshot.extras
        header = proto_fields(proto_fields(extras["header"][4:])[1])
        self.version = header.get(3, 0)
        self.iv = header[1]
        self.counter, = struct.unpack(">I", self.iv[:4])
        keys = hkdf(extras["key"], b"", b"Backup Export", 64)
        self.cipher, self.mac = keys[:32], keys[32:]
        self.digest = hashlib.sha256(extras["header"])
        self.out = [extras["header"]]
        for stream, record in in_order(snapshot):
            blob = None
            if stream.startswith("blob/"):
                blob = snapshot.vault.blob(record[:32])
                record = record[32:]
            elif stream == "frame/large":
                record = snapshot.vault.blob(record)
            self.frame(record)
            if blob is not None:
                self.piece(blob, self.iv_now(), b"")
        self.frame(extras["end"])
        if "trailing" in extras:
            trailing = snapshot.vault.blob(extras["trailing"][:32])
            self.out.append(trailing)
            self.digest.update(trailing)
        require(self.digest.digest() == extras["digest"], "the digest")
        length, = struct.unpack("<Q", extras["length"])
        require(len(self.bytes()) == length, "the length")

    def iv_now(self):
        return struct.pack(">I", self.counter) + self.iv[4:]

    def piece(self, plain, covered, front):
        """Encrypt and MAC; `covered` is MACed first, `front` encrypted with
        the content but not part of what the digest calls its plaintext."""
        sealed = aes_ctr(self.cipher, self.iv_now(), front + plain)
        mac = hmac.digest(self.mac, covered + sealed, "sha256")
        self.digest.update(struct.pack("<I", len(plain)) + mac)
        self.out += [sealed, mac[:10]]
        self.counter = (self.counter + 1) % (1 << 32)

    def frame(self, content):
        length = struct.pack(">I", len(content) + 10)
        if self.version == 0:
            self.out.append(length)
            length = b""
        self.piece(content, b"", length)

    def bytes(self):
        return b"".join(self.out)


def in_order(snapshot):
    """(stream, record) as the stream `order` says."""
    names, rest = [], {}
    for record in snapshot.records("order"):
        c = Cursor(record)
        number = c.varint()
        if number == 0:
            names.append(c.take(c.left()).decode())
            continue
        name = names[number - 1]
        if name not in rest:
            rest[name] = iter(snapshot.records(name))
        for _ in range(c.varint()):
            yield name, next(rest[name])
