#!/usr/bin/env python3
"""Open Backup Runner objects with a recipient's secret and nothing else. The format: docs/format.md.

Needs Python 3.11 and `pip install cryptography zstandard blake3`. Give the objects as files, as they lie in the bucket,
or folders of them:

  recover.py list    OBJECT... --key-file KEY              what they hold
  recover.py extract OBJECT... --key-file KEY --to DIR     [--content N]; large files are put together from all objects
  recover.py payload OBJECT    --key-file KEY [--to FILE]  the bare data stream: records, catalog copies

KEY is a raw key, or a text (bkr-key1, bkr-raw1, bkr-pair1, bkr-sealed1; a raw key in hex or base64). --passphrase-file
opens a sealed pair, or is a secret by itself.

An object's name is taken from the last three parts of its file's path, or from --name; --any-name takes the object for
what its header says it is. Exit status: 0 all well, 1 not everything could be recovered (each is named), 2 wrong usage.
"""

# Larger than usual, because it is one file on purpose: who has nothing else left copies it.

import argparse
import base64
import hashlib
import hmac
import json
import os
import re
import struct
import sys
import tempfile
import unicodedata

import zstandard
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

HEADER, SEGMENT, TRAILER = ">8sHHI16sB16sBIH", ">BBBBIII16s", ">8sQQIIQQQQ"
KINDS = {1: "data", 2: "records", 3: "copies", 4: "lease", 5: "keys"}
DATA, INDEX = 1, 2
TRAILER_LENGTH = struct.calcsize(TRAILER) + 32


class DamagedError(Exception):
    label = "DAMAGED"


class WrongKeyError(DamagedError):
    label = "WRONG KEY"


def need(condition, what):
    if not condition:
        raise DamagedError(what)


def hkdf(key, label, length, salt=None, suite=1):
    info = b"backup-runner/%d/" % suite + label
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(key)


def hkdf2(key, label, salt=None):
    return hkdf(key, label, 32, salt, suite=2)


def same_mac(key, covered, mac):
    return hmac.compare_digest(hmac.digest(key, covered, "sha256"), mac)


def decrypt(key, iv, blocks):
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    return decryptor.update(blocks) + decryptor.finalize()


def unpadded(padded, where):
    need(1 <= padded[-1] <= 16 and padded.endswith(padded[-1:] * padded[-1]), f"{where}: wrong padding")
    return padded[: -padded[-1]]


def decoded(codec, plain, size, where):
    if codec == 1:
        need(zstandard.frame_content_size(plain) == size, f"{where}: wrong length")
        plain = zstandard.ZstdDecompressor().decompress(plain, max_output_size=size)
    need(codec in (0, 1) and len(plain) == size, f"{where}: wrong length")
    return plain


class Secret:
    """One recipient's secret: `raw` opens suite 1, `seed(salt)` suite 2."""

    def __init__(self, value, kind):
        self.value, self.kind, self.stretched, self.raw = value, kind, {}, value if kind == "raw" else b""

    def scrypt(self, salt, log2_n=16, r=8, p=1):
        at = salt, log2_n, r, p
        if at not in self.stretched:  # it takes long, and runs once a salt
            cost = {"n": 1 << log2_n, "r": r, "p": p, "maxmem": (1 << 30) + (1 << 24)}
            self.stretched[at] = hashlib.scrypt(self.value, salt=salt, dklen=32, **cost)
        return self.stretched[at]

    def seed(self, salt):
        if self.kind == "pair":
            return self.value
        if self.kind == "text":
            return hkdf2(self.value, b"random-key", salt)
        return hkdf2(self.scrypt(salt), b"stretched-key")


def bech32m(text):
    """Prefix and bytes of a key text (BIP 350)."""
    text = "".join("".join(line for line in text.splitlines() if not line.startswith("#")).split())
    prefix, _, letters = text.lower().rpartition("1")
    values = ["qpzry9x8gf2tvdw0s3jn54khce6mua7l".find(letter) for letter in letters]
    state = 1
    for value in [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + values:
        top, state = state >> 25, (state & 0x1FFFFFF) << 5 ^ value
        for bit, part in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            state ^= part if top >> bit & 1 else 0
    if text not in (text.lower(), text.upper()) or -1 in values or state != 0x2BC830A3:
        sys.exit("this is no key, or a letter of it is mistyped or missing: a crypto key has 16, 24 or 32 bytes")
    bits = "".join(f"{value:05b}" for value in values[:-6])
    return prefix, bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits) // 8 * 8, 8))


def read_secret(key_file, passphrase_file):
    passphrase = None
    if passphrase_file:
        with open(passphrase_file, encoding="utf-8") as file:
            text = unicodedata.normalize("NFC", file.read().removesuffix("\n").removesuffix("\r"))
        passphrase = Secret(text.encode(), "passphrase")
    if not key_file:
        return passphrase
    with open(key_file, "rb") as file:
        raw = file.read()
    raw = raw[:-2] if raw.endswith(b"\r\n") else raw.removesuffix(b"\n")
    text = raw.decode("latin-1").strip()
    if len(raw) in (16, 24, 32):
        return Secret(raw, "raw")
    if re.fullmatch("([0-9a-fA-F]{48}|[0-9a-fA-F]{64})", text):
        return Secret(bytes.fromhex(text), "raw")
    if re.fullmatch("[0-9A-Za-z+/]{43}=", text):
        return Secret(base64.b64decode(text), "raw")
    if len(raw) <= 36:
        sys.exit(f"{key_file}: a crypto key has 16, 24 or 32 bytes, this one has {len(raw)}")
    prefix, data = bech32m(text)
    if prefix == "bkr-sealed":
        if not passphrase:
            sys.exit(f"{key_file}: this key pair is under a passphrase: give --passphrase-file")
        try:
            data = aes_key_unwrap(hkdf2(passphrase.scrypt(data[:32]), b"pair-file"), data[32:])
        except InvalidUnwrap:
            sys.exit(f"{key_file}: the passphrase does not open this key pair")
    kinds = {"bkr-key": "text", "bkr-raw": "raw", "bkr-pair": "pair", "bkr-sealed": "pair"}
    if prefix not in kinds:
        sys.exit(f"{key_file}: {prefix} is no secret that opens anything")
    return Secret(data, kinds[prefix])


class Object:
    """One sealed object: `entries` of its index, `segment(n)` of its data. `damage` is None if nothing was found."""

    # Larger than usual, because it is all that is known of an object.

    def __init__(self, path, name, key):
        key = Secret(key, "raw") if isinstance(key, bytes) else key
        self.path, self.damage, self.total = path, None, os.stat(path).st_size
        self.open_header(name, key)
        try:
            start, end = self.find_index()
            index = self.stream(start, end)
            self.check_index(index)
        except DamagedError as error:
            self.damage = str(error)
            index = self.salvage_index()
        lines = [json.loads(line) for line in index.split(b"\n")[:-1]]
        self.macs = base64.b64decode(lines[0].get("macs", "")) if lines else b""
        self.known = bool(lines)
        self.lengths = lines[0]["segments"] if lines else self.walk(self.data_start)[0]
        self.plaintext = lines[0]["plaintext"] if lines else None
        self.entries = lines[1:]

    def check_index(self, index):
        """Suite 2 compares it with the trailer."""

    def read(self, offset, length):
        with open(self.path, "rb") as file:
            file.seek(offset)
            return file.read(max(0, length))

    def open_header(self, name, key):
        head = self.read(0, 65536)
        need(len(head) >= 56 and head[:8] == b"BKRUNNER", "not a container")
        _, version, suite, length, lineage, kind, id_, bits, self.size, count = struct.unpack_from(HEADER, head)
        need((version, suite) == (1, 1), f"format {version}, suite {suite}: damaged, or a later version")
        need(120 <= length <= len(head), "header cut or damaged")
        head = head[:length]
        need(hashlib.sha256(head[:-64]).digest() == head[-64:-32], "header damaged")
        last = f"{int.from_bytes(id_, 'big'):016d}" if kind == 2 else id_.hex()
        self.name = f"{lineage.hex()}/{KINDS.get(kind)}/{last}"
        need(name is None or name == self.name, f"named {name}, but it is {self.name}")
        data_key = self.unwrap(head[56:-64], count, key)
        need(same_mac(hkdf(data_key, b"header", 32), head[:-32], head[-32:]), "header was modified")
        need(bits in (16, 24, 32) and 4096 <= self.size <= 1 << 24, "header parameters out of bounds")
        self.data_start, self.digest = length, hashlib.sha256(head).digest()
        self.cipher_key = hkdf(data_key, b"aes-%d-cbc" % (bits * 8), bits)
        self.mac_key, self.trailer_key = hkdf(data_key, b"segment-mac", 32), hkdf(data_key, b"trailer", 32)

    def unwrap(self, stanzas, count, key):
        need(1 <= count <= 16, "number of stanzas out of bounds")
        ours = []
        for _ in range(count):
            need(len(stanzas) >= 4, "stanzas are truncated")
            kind, length = struct.unpack_from(">HH", stanzas)
            body, stanzas = stanzas[4 : 4 + length], stanzas[4 + length :]
            need(len(body) == length, "stanzas are truncated")
            if kind == 1 and len(body) == 83:
                ours.append(body)
        need(not stanzas, "stanzas have the wrong length")
        for body in ours:
            key_id, log2_n, r, p, salt, wrapped = struct.unpack(">8sBBB32s40s", body)
            need(1 <= log2_n <= 20 and r == 8 and 1 <= p <= 4, "refused scrypt cost")
            if not key.raw:
                break
            stretched = key.scrypt(salt, log2_n, r, p)
            if hmac.compare_digest(hkdf(stretched, b"key-id", 8), key_id):
                try:
                    return aes_key_unwrap(hkdf(stretched, b"wrap", 32), wrapped)
                except InvalidUnwrap:
                    raise DamagedError("the wrapped data key is damaged") from None
        raise WrongKeyError("sealed with another crypto key")

    def find_index(self):
        tail = self.read(self.total - TRAILER_LENGTH, TRAILER_LENGTH)
        need(len(tail) == TRAILER_LENGTH and tail[:8] == b"BKRTRAIL", "no trailer at its end: cut or appended to")
        need(same_mac(self.trailer_key, self.digest + tail[:-32], tail[-32:]), "trailer altered or foreign")
        _, _, sealed, _, _, _, index_sealed, start, total = struct.unpack(TRAILER, tail[:-32])
        need(start == self.data_start and total == self.total, f"{self.total} bytes, was sealed with {total}")
        return start + sealed, start + sealed + index_sealed

    def walk(self, at):
        """Sealed lengths of the segments from `at` to the one that says last; a 0 stands for what is missing."""
        lengths, last = [], 0
        while not last:
            head = self.read(at, 32)
            length, last = self.sealed_length(head) if len(head) == 32 else (0, 0)
            if not length or at + length > self.total:
                return [*lengths, 0], at
            lengths.append(length)
            at += length
        return lengths, at

    def sealed_length(self, head):
        _, last, _, _, _, _, length, _ = struct.unpack(SEGMENT, head)
        return (64 + length if 16 <= length <= self.size + 16 else 0), last

    def stream(self, start, end):
        lengths, found = self.walk(start)
        need(end in (None, found), "index damaged")
        parts = []
        for number, length in enumerate(lengths):
            parts.append(self.open(INDEX, number, self.read(start, length), number == len(lengths) - 1))
            start += length
        return b"".join(parts)

    def salvage_index(self):
        try:
            return self.stream(self.walk(self.data_start)[1], None)
        except DamagedError:
            return b""

    def open(self, stream, number, sealed, last):
        where = f"{'data' if stream == DATA else 'index'} segment {number}"
        need(len(sealed) >= 80, f"{where} cut short")
        stream_, last_, codec, zero, number_, size, length, iv = struct.unpack_from(SEGMENT, sealed)
        need(32 + length + 32 == len(sealed) and size <= self.size and length % 16 == 0, f"{where} damaged")
        need(same_mac(self.mac_key, self.digest + sealed[:-32], sealed[-32:]), f"{where} damaged")
        found, wanted = (stream_, number_, last_, zero), (stream, number, int(last), 0)
        need(found == wanted and (last or size == self.size), f"{where}: another lies in its place")
        return decoded(codec, unpadded(decrypt(self.cipher_key, iv, sealed[32:-32]), where), size, where)

    def segment(self, number):
        need(number < len(self.lengths), f"data segment {number} is missing")
        at = self.data_start + sum(self.lengths[:number])
        last, sealed = number == len(self.lengths) - 1, self.read(at, self.lengths[number])
        need(not self.macs or sealed[-32:] == self.macs[32 * number :][:32], f"data segment {number} is not as signed")
        return self.open(DATA, number, sealed, last)

    def stretch(self, offset, length):
        end = offset + length
        for number in range(offset // self.size, -(-end // self.size) if length else 0):
            base = number * self.size
            plain = self.segment(number)[max(0, offset - base) : end - base]
            need(len(plain) == min(end, base + self.size) - max(offset, base), "segment too short")
            yield plain


class Object2(Object):
    """The same of suite 2, which counts by its signature only: `unsigned` reads what has lost it.

    `epochs`: by public key, the secrets of epochs that were opened so far.
    """

    epochs: dict = {}  # noqa: RUF012
    unsigned = False

    def open_header(self, name, key):
        head = self.read(0, 65536)
        need(len(head) >= 1256, "header cut short")
        _, version, suite, length, lineage, kind, id_, zero, self.size, size = struct.unpack_from(HEADER, head)
        need((version, suite, zero, length) == (1, 2, 0, 1256 + size), "header damaged, or a later version")
        need(length <= len(head), "header cut or damaged")
        head = head[:length]
        need(hashlib.sha256(head[:-32]).digest() == head[-32:], "header damaged")
        last = f"{int.from_bytes(id_, 'big'):016d}" if kind in (2, 5) else id_.hex()
        self.name = f"{lineage.hex()}/{KINDS.get(kind)}/{last}"
        need(name is None or name == self.name, f"named {name}, but it is {self.name}")
        need(4096 <= self.size <= 1 << 24 and self.size & (self.size - 1) == 0, "header parameters out of bounds")
        secret = self.open_envelope(head[56:-1200], lineage, key)
        data_key = hpke(head[-1200:-32], hkdf2(secret, b"lineage"), b"data-key" + head[:-1200])
        need(data_key, "the data key is damaged")
        self.lineage, self.data_start, self.digest = lineage, length, hashlib.sha256(head).digest()
        labels = (b"aes-256-cbc", b"segment-mac", b"trailer-mac", b"padding")
        self.cipher_key, self.mac_key, self.trailer_key, self.padding_key = (hkdf2(data_key, x) for x in labels)

    def open_envelope(self, raw, lineage, key):
        """Check the envelope in itself, keep its owners, and return the secret of its epoch."""
        need(len(raw) > 1292, "envelope cut short")
        number, epoch, salt, previous, public = struct.unpack_from(">QI32s32s1216s", raw)
        owners, at = raw[1292], 1293 + 32 * raw[1292]
        need(number >= 1 and 1 <= epoch <= 64 and 1 <= owners <= 8 and at < len(raw), "envelope out of bounds")
        stanzas, end = raw[at], at + 1 + 1168 * raw[at]
        older = raw[end:-96]
        need(1 <= stanzas <= 16 and len(older) == (epoch > 1) * (32 * epoch - 24), "envelope out of bounds")
        need(len(raw) == end + len(older) + 96, "envelope out of bounds")
        self.owners, signer = [raw[n : n + 32] for n in range(1293, at, 32)], raw[-96:-64]
        need(len(set(self.owners)) == owners and all(map(sound, self.owners)), "unsound owners")
        need(signed(signer, raw[-64:], b"envelope" + lineage + raw[:-64]), "the envelope's signature is wrong")
        need(number == 1 or previous != bytes(32), "an envelope without the one before it")
        if number == 1:
            founded = hashlib.sha256(b"backup-runner/2/lineage" + salt + public + raw[1293:at] + signer).digest()[:16]
            need(epoch == 1 and signer in self.owners, "unsound first envelope")
            need(previous != bytes(32) or founded == lineage, "the envelope founds another lineage")
        info, pair = b"stanza" + lineage + struct.pack(">I", epoch), hkdf2(key.seed(salt), b"open")
        tried = (hpke(raw[n : n + 1168], pair, info) for n in range(at + 1, end, 1168))
        secret = self.epochs.get(public) or next(filter(None, tried), None)
        if not secret:
            raise WrongKeyError("sealed to other recipients, or before this one was added")
        need(expand(hkdf2(secret, b"lineage"))[1] == public, "the envelope's secret is damaged")
        try:
            joined = aes_key_unwrap(hkdf2(secret, b"older"), older) if older else b""
        except InvalidUnwrap:
            raise DamagedError("the secrets of older epochs are damaged") from None
        for one in (*(joined[n : n + 32] for n in range(0, len(joined), 32)), secret):
            self.epochs[expand(hkdf2(one, b"lineage"))[1]] = one
        return secret

    def salvage_index(self):
        need(self.unsigned, f"{self.damage}; --unsigned reads it all the same, whoever wrote it")
        return super().salvage_index()

    def find_index(self):
        tail = self.read(self.total - 304, 304)
        mac = keyed(self.trailer_key, self.digest + tail[:-32])
        need(len(tail) == 304 and hmac.compare_digest(mac, tail[-32:]), "trailer altered, cut off or appended to")
        plain = decrypt(self.cipher_key, tail[:16], tail[16:-32])
        fields = struct.unpack_from(">QQIIQQQQ32s32sB7s64s", plain)
        plain_length, sealed, segments, count, index_length, index_sealed, padding, total, *rest = fields
        digest, signer, rights, zeros, enrolment = rest
        self.stated = plain_length, sealed, segments, 32 * segments, index_length
        bare = self.data_start + sealed + index_sealed + 304
        exponent = bare.bit_length() - 1
        step = max(4096, 1 << exponent - exponent.bit_length())
        need(total == self.total == bare + padding, f"{self.total} bytes, was sealed with {total}")
        need(total == -(-bare // step) * step and zeros == bytes(7) and rights <= 2, "trailer out of bounds")
        enrolled = b"writer" + self.lineage + bytes([rights]) + signer
        entitled = any(signed(owner, enrolment, enrolled) for owner in self.owners)
        if rights == 0:
            entitled = signer in self.owners and enrolment == bytes(64)
        need(entitled, "signed by nobody who may write")
        need(signed(signer, plain[-64:], b"object" + self.digest + plain[:-64]), "wrong signature")
        start, end = self.data_start + sealed, self.data_start + sealed + index_sealed
        lengths, found = self.walk(start)
        need(found == end and len(lengths) == count, "index damaged")
        ends = [start + sum(lengths[: n + 1]) for n in range(count)]
        macs = b"".join(self.read(at - 32, 32) for at in ends)
        need(hashlib.sha256(macs).digest() == digest, "index is not as signed")
        need(self.read(end, padding) == keyed(self.padding_key, self.digest, padding), "padding altered")
        return start, end

    def check_index(self, index):
        head = json.loads(index.split(b"\n")[0])
        macs, lengths = base64.b64decode(head["macs"]), head["segments"]
        said = head["plaintext"], sum(lengths), len(lengths), len(macs), len(index)
        need(said == self.stated, "index and trailer disagree")

    def sealed_length(self, head):
        _, last, _, _, _, _, encoded = struct.unpack(">BBBBIII", decrypt(self.cipher_key, head[:16], head[16:]))
        return (64 + (encoded // 16 + 1) * 16 if encoded <= self.size else 0), last

    def open(self, stream, number, sealed, last):
        where = f"{'data' if stream == DATA else 'index'} segment {number}"
        need(80 <= len(sealed) <= self.size + 80 and len(sealed) % 16 == 0, f"{where} cut short or damaged")
        need(hmac.compare_digest(keyed(self.mac_key, self.digest + sealed[:-32]), sealed[-32:]), f"{where} damaged")
        plain = unpadded(decrypt(self.cipher_key, sealed[:16], sealed[16:-32]), where)
        need(len(plain) >= 16, f"{where}: wrong length")
        stream_, last_, codec, zero, number_, size, encoded = struct.unpack_from(">BBBBIII", plain)
        found, wanted = (stream_, number_, last_, zero), (stream, number, int(last), 0)
        need(found == wanted and (last or size == self.size), f"{where}: another lies in its place")
        need(size <= self.size and len(plain) == 16 + encoded, f"{where}: wrong length")
        return decoded(codec, plain[16:], size, where)


def keyed(key, covered, length=32):
    from blake3 import blake3  # suite 1 does without

    return blake3(covered, key=key).digest(length=length)


def expand(secret):
    """Private and public key of the pair that 32 bytes stand for."""
    from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
    from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

    stream = hashlib.shake_256(secret).digest(96)
    kem = mlkem.MLKEM768PrivateKey.from_seed_bytes(stream[:64])
    curve = x25519.X25519PrivateKey.from_private_bytes(stream[64:])
    public = kem.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
    return MLKEM768X25519PrivateKey(kem, curve), public


def hpke(sealed, pair, info):
    from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

    try:
        suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
        return suite.decrypt(sealed, expand(pair)[0], b"backup-runner/2/" + info)
    except (InvalidTag, ValueError):
        return None


def sound(public):
    """Whether an Ed25519 key is canonical and not of small order."""
    prime, eight = 2**255 - 19, 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
    y = int.from_bytes(public, "little") & (2**255 - 1)
    return y < prime and y not in (0, 1, prime - 1, eight, prime - eight)


def signed(public, signature, message):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, b"backup-runner/2/" + message)
    except (InvalidSignature, ValueError):
        return False
    return sound(public)


def open_object(path, name, key):
    with open(path, "rb") as file:
        start = file.read(12)
    return (Object2 if start == b"BKRUNNER\0\1\0\2" else Object)(path, name, key)


def entry_path(entry):
    if "path" in entry:
        return entry["path"].encode()
    return base64.b64decode(entry["path_base64"]) if "path_base64" in entry else None


def contents(objects):
    """Each content as its stretches, in order: [(object, entry), …]."""
    groups = {}
    for number, object_ in enumerate(objects):
        for place, entry in enumerate(object_.entries):
            groups.setdefault(entry.get("group", (number, place)), {})[entry.get("at", 0)] = (object_, entry)
    return [[stretches[at] for at in sorted(stretches)] for stretches in groups.values()]


def placed(objects):
    """By hash, where a content lies that can be a piece of others."""
    whole = ((o, e) for o in objects for e in o.entries if "offset" in e and e.get("length") == e["size"])
    return {entry["blake3"]: (object_, entry) for object_, entry in whole if "blake3" in entry}


def chunks(object_, entry, pieces):
    """The bytes of one stretch, or of the pieces that a composed content lists."""
    if "pieces" not in entry:
        yield from object_.stretch(entry["offset"], entry["length"])
    for digest, size in entry.get("pieces", ()):
        need(digest in pieces, f"a piece of {size} bytes lies in an object that was not given")
        holder, piece = pieces[digest]
        plain = b"".join(holder.stretch(piece["offset"], piece["length"]))
        need(len(plain) == size and blake3_of(plain) == digest, "a piece is not what its hash says")
        yield plain


def blake3_of(plain):
    from blake3 import blake3

    return blake3(plain).hexdigest()


def joined(stretches, pieces=()):
    """The bytes of a content, checked against its size and MD5 at the end."""
    whole, at, md5 = stretches[-1][1], 0, hashlib.md5(usedforsecurity=False)
    for object_, entry in stretches:
        need(entry.get("at", 0) == at, f"bytes {at} to {entry.get('at', 0)} lie in an object that was not given")
        for plain in chunks(object_, entry, pieces):
            md5.update(plain)
            at += len(plain)
            yield plain
    need(at == whole["size"], f"bytes {at} to {whole['size']} lie in an object that was not given")
    need(whole.get("md5") in (None, md5.hexdigest()), "MD5 differs")


def goal(directory, path):
    """Where a stored path goes below `directory`; makes the folders, passes through no symlink."""
    parts = path.split(b"/")
    need(not {b"", b".", b".."} & set(parts) and b"\0" not in path, "path would leave the directory")
    for part in parts[:-1]:
        directory = os.path.join(directory, part)
        need(not os.path.islink(directory), "a symlink lies in its way")
        os.makedirs(directory, exist_ok=True)
    return os.path.join(directory, parts[-1])


def write_new(path, chunks, entry):
    """All or nothing: a temporary name first, and never over something that is there."""
    need(not os.path.lexists(path), "is there already; nothing was overwritten")
    descriptor, temporary = tempfile.mkstemp(prefix=b".recover-", dir=os.path.dirname(path) or b".")
    try:
        with open(descriptor, "wb") as file:
            file.writelines(chunks)
        os.chmod(temporary, entry.get("mode", 0o600) & 0o777)
        if "mtime_ns" in entry:
            os.utime(temporary, ns=(entry["mtime_ns"], entry["mtime_ns"]))
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def show(text):
    print(text.encode("utf-8", "backslashreplace").decode(), file=sys.stderr)


def extract(stretches, number, directory, pieces):
    entry = stretches[-1][1]
    path = entry_path(entry) or b"content-%d" % number
    try:
        write_new(goal(directory, path), joined(stretches, pieces), entry)
    except (DamagedError, OSError, zstandard.ZstdError) as error:
        show(f"NOT RECOVERED {number} {os.fsdecode(path)!r}: {error}")
        return False
    return True


def payload(object_, to):
    chunks = (object_.segment(number) for number in range(len(object_.lengths)))
    if to:
        write_new(os.fsencode(to), chunks, {})
    else:
        sys.stdout.buffer.writelines(chunks)


def run(args, objects):
    """Do what was asked; False if something is missing."""
    found = contents(objects)
    if args.command == "payload":
        payload(objects[0], args.to)
    elif args.command == "list":
        for object_ in objects:
            print(f"{object_.name}  {object_.plaintext} bytes in {len(object_.lengths)} segments")
        for number, stretches in enumerate(found):
            entry = stretches[-1][1]
            path = (entry_path(entry) or b"").decode("utf-8", "backslashreplace")
            print(f"{number}\t{entry['size']}\t{entry.get('md5', '-')}\t{path!r}")
    else:
        os.makedirs(args.to, exist_ok=True)
        # What has neither path nor MD5 is a piece of something.
        chosen = [n for n, parts in enumerate(found) if entry_path(parts[-1][1]) is not None or "md5" in parts[-1][1]]
        chosen = chosen if args.content is None else [args.content]
        if args.content is not None and not 0 <= args.content < len(found):
            sys.exit(f"there is no content {args.content}")
        results = [extract(found[number], number, os.fsencode(args.to), placed(objects)) for number in chosen]
        return all(results)
    return True


def files_of(arguments):
    """The objects that were given; of folders, those that hold contents, and those that may hold keys to them."""
    for path in arguments:
        if not os.path.isdir(path):
            yield path
            continue
        for folder, _, names in sorted(os.walk(path)):
            if os.path.basename(folder) in ("data", "keys"):
                yield from (os.path.join(folder, name) for name in sorted(names))


def open_all(args):
    key, well = read_secret(args.key_file, args.passphrase_file), True
    Object2.unsigned = args.unsigned
    waiting, objects, refused = list(files_of(args.objects)), {}, {}
    known = -1
    while waiting and known < len(Object2.epochs):  # a later envelope may open what an earlier one did not
        known, again = len(Object2.epochs), []
        for path in waiting:
            name = args.name or "/".join(os.path.abspath(path).split(os.sep)[-3:])
            try:
                objects[path] = open_object(path, None if args.any_name else name, key)
            except (DamagedError, OSError) as error:
                refused[path] = f"{getattr(error, 'label', 'UNREADABLE')} {path}: {error}"
                again += [path] if isinstance(error, WrongKeyError) else []
        waiting = again
    for path, said in refused.items():
        if path not in objects:
            show(said)
            well = False
    for path, object_ in sorted(objects.items()):
        if args.any_name:
            show(f"{path}: name not checked; its header says {object_.name}")
        if object_.damage:
            lost = "" if object_.known else "; its index is lost, `payload` may still read the data stream"
            show(f"DAMAGED {path}: {object_.damage}{lost}")
            well = False
    if any(isinstance(object_, Object2) for object_ in objects.values()):
        show("note: signatures were checked, but not whether a signer was removed later")
    order = [objects[path] for path in files_of(args.objects) if path in objects]
    return [object_ for object_ in order if len(order) == 1 or "/keys/" not in object_.name], well


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["list", "extract", "payload"])
    parser.add_argument("objects", nargs="+", metavar="OBJECT")
    parser.add_argument("--key-file", help="a raw key, or a key in one of its text forms")
    parser.add_argument("--passphrase-file", help="a file with a passphrase: a secret by itself, or of a sealed pair")
    parser.add_argument("--to", help="directory (extract) or file (payload) to write")
    parser.add_argument("--content", type=int, help="only the content of this number, as `list` shows it")
    parser.add_argument("--unsigned", action="store_true", help="read objects that lost their signature, too")
    names = parser.add_mutually_exclusive_group()
    names.add_argument("--name", help="<lineage>/<kind>/<id> that the object was stored under")
    names.add_argument("--any-name", action="store_true", help="take the object for what its header says it is")
    args = parser.parse_args()
    if not args.key_file and not args.passphrase_file:
        parser.error("give --key-file or --passphrase-file")
    if args.command == "extract" and not args.to:
        parser.error("extract needs --to DIR")
    if len(args.objects) > 1 and (args.name or args.command == "payload"):
        parser.error("--name and payload take one object")
    objects, well = open_all(args)
    try:
        well = bool(objects) and run(args, objects) and well
    except (DamagedError, OSError) as error:
        show(f"NOT RECOVERED: {error}")
        well = False
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
