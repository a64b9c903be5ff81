#!/usr/bin/env python3
"""Open Backup Runner objects with the crypto key and nothing else. The format: docs/format.md.

Needs Python 3.11 and `pip install cryptography zstandard`. Give the objects as files, as they lie in the bucket:

  recover.py list    OBJECT... --key-file KEY              what they hold
  recover.py extract OBJECT... --key-file KEY --to DIR     [--content N]; the stretches of a large file are joined
  recover.py payload OBJECT    --key-file KEY [--to FILE]  the bare data stream: records, catalog copies

An object's name is taken from the last three parts of its file's path, or from --name; --any-name takes the object for
what its header says it is. Exit status: 0 all well, 1 not everything could be recovered (each is named), 2 wrong usage.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import struct
import sys
import tempfile

import zstandard
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

HEADER, SEGMENT, TRAILER = ">8sHHI16sB16sBIH", ">BBBBIII16s", ">8sQQIIQQQQ"
KINDS = {1: "data", 2: "records", 3: "copies", 4: "lease"}
DATA, INDEX = 1, 2
TRAILER_LENGTH = struct.calcsize(TRAILER) + 32


class DamagedError(Exception):
    label = "DAMAGED"


class WrongKeyError(DamagedError):
    label = "WRONG KEY"


def need(condition, what):
    if not condition:
        raise DamagedError(what)


def hkdf(key, label, length):
    info = b"backup-runner/1/" + label
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(key)


def same_mac(key, covered, mac):
    return hmac.compare_digest(hmac.digest(key, covered, "sha256"), mac)


def read_key(path):
    with open(path, "rb") as file:
        raw = file.read()
    raw = raw[:-2] if raw.endswith(b"\r\n") else raw.removesuffix(b"\n")
    if len(raw) not in (16, 24, 32):
        sys.exit(f"{path}: a crypto key has 16, 24 or 32 bytes, this one has {len(raw)}")
    return raw


class Object:
    """One sealed object: `entries` of its index, `segment(n)` of its data. `damage` is None if nothing was found."""

    stretched: dict = {}  # scrypt takes long, and runs once a salt  # noqa: RUF012

    def __init__(self, path, name, key):
        self.path, self.file, self.damage = path, open(path, "rb"), None  # noqa: SIM115
        self.total = os.fstat(self.file.fileno()).st_size
        self.open_header(name, key)
        try:
            start, end = self.find_index()
            index = self.stream(start, end)
        except DamagedError as error:
            self.damage, index = str(error), self.salvage_index()
        lines = [json.loads(line) for line in index.split(b"\n")[:-1]]
        self.known = bool(lines)
        self.lengths = lines[0]["segments"] if lines else self.walk(self.data_start)[0]
        self.plaintext = lines[0]["plaintext"] if lines else None
        self.entries = lines[1:]

    def read(self, offset, length):
        self.file.seek(offset)
        return self.file.read(max(0, length))

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
        need(same_mac(hkdf(data_key, b"header", 32), head[:-32], head[-32:]), "header altered")
        need(bits in (16, 24, 32) and 4096 <= self.size <= 1 << 24, "header parameters out of bounds")
        self.data_start, self.digest = length, hashlib.sha256(head).digest()
        self.cipher_key = hkdf(data_key, b"aes-%d-cbc" % (bits * 8), bits)
        self.mac_key, self.trailer_key = hkdf(data_key, b"segment-mac", 32), hkdf(data_key, b"trailer", 32)

    def unwrap(self, stanzas, count, key):
        need(1 <= count <= 16, "number of stanzas out of bounds")
        ours = []
        for _ in range(count):
            need(len(stanzas) >= 4, "stanzas cut short")
            kind, length = struct.unpack_from(">HH", stanzas)
            body, stanzas = stanzas[4 : 4 + length], stanzas[4 + length :]
            need(len(body) == length, "stanzas cut short")
            if kind == 1 and len(body) == 83:
                ours.append(body)
        need(not stanzas, "stanzas of a wrong length")
        for body in ours:
            key_id, log2_n, r, p, salt, wrapped = struct.unpack(">8sBBB32s40s", body)
            need(1 <= log2_n <= 20 and r == 8 and 1 <= p <= 4, "refused scrypt cost")
            at = (key, body[8:43])
            if at not in self.stretched:
                self.stretched[at] = hashlib.scrypt(
                    key, salt=salt, n=1 << log2_n, r=r, p=p, dklen=32, maxmem=(1 << 30) + (1 << 24)
                )
            stretched = self.stretched[at]
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
            if len(head) < 32:
                return [*lengths, 0], at
            _, last, _, _, _, _, length, _ = struct.unpack(SEGMENT, head)
            if not 16 <= length <= self.size + 16 or at + 64 + length > self.total:
                return [*lengths, 0], at
            lengths.append(64 + length)
            at += 64 + length
        return lengths, at

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
        decryptor = Cipher(algorithms.AES(self.cipher_key), modes.CBC(iv)).decryptor()
        padded = decryptor.update(sealed[32:-32]) + decryptor.finalize()
        need(1 <= padded[-1] <= 16 and padded.endswith(padded[-1:] * padded[-1]), f"{where}: wrong padding")
        plain = padded[: -padded[-1]]
        if codec == 1:
            need(zstandard.frame_content_size(plain) == size, f"{where}: wrong length")
            plain = zstandard.ZstdDecompressor().decompress(plain, max_output_size=size)
        need(codec in (0, 1) and len(plain) == size, f"{where}: wrong length")
        return plain

    def segment(self, number):
        need(number < len(self.lengths), f"data segment {number} is missing")
        at = self.data_start + sum(self.lengths[:number])
        last = number == len(self.lengths) - 1
        return self.open(DATA, number, self.read(at, self.lengths[number]), last)

    def stretch(self, offset, length):
        end = offset + length
        for number in range(offset // self.size, -(-end // self.size) if length else 0):
            base = number * self.size
            plain = self.segment(number)[max(0, offset - base) : end - base]
            need(len(plain) == min(end, base + self.size) - max(offset, base), "segment too short")
            yield plain


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


def joined(stretches):
    """The bytes of a content, checked against its size and MD5 at the end."""
    whole, at, md5 = stretches[-1][1], 0, hashlib.md5(usedforsecurity=False)
    for object_, entry in stretches:
        need(entry.get("at", 0) == at, f"bytes {at} to {entry.get('at', 0)} lie in an object that was not given")
        for plain in object_.stretch(entry["offset"], entry["length"]):
            md5.update(plain)
            yield plain
        at += entry["length"]
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


def extract(stretches, number, directory):
    entry = stretches[-1][1]
    path = entry_path(entry) or b"content-%d" % number
    try:
        write_new(goal(directory, path), joined(stretches), entry)
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
        chosen = range(len(found)) if args.content is None else [args.content]
        if args.content is not None and not 0 <= args.content < len(found):
            sys.exit(f"there is no content {args.content}")
        results = [extract(found[number], number, os.fsencode(args.to)) for number in chosen]
        return all(results)
    return True


def open_all(args):
    key, objects, well = read_key(args.key_file), [], True
    for path in args.objects:
        name = args.name or "/".join(os.path.abspath(path).split(os.sep)[-3:])
        if args.any_name:
            name = None
        try:
            objects.append(Object(path, name, key))
        except (DamagedError, OSError) as error:
            show(f"{getattr(error, 'label', 'UNREADABLE')} {path}: {error}")
            well = False
            continue
        if args.any_name:
            show(f"{path}: name not checked; its header says {objects[-1].name}")
        if objects[-1].damage:
            lost = "" if objects[-1].known else "; its index is lost, `payload` may still read the data stream"
            show(f"DAMAGED {path}: {objects[-1].damage}{lost}")
            well = False
    return objects, well


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["list", "extract", "payload"])
    parser.add_argument("objects", nargs="+", metavar="OBJECT")
    parser.add_argument("--key-file", required=True)
    parser.add_argument("--to", help="directory (extract) or file (payload) to write")
    parser.add_argument("--content", type=int, help="only the content of this number, as `list` shows it")
    names = parser.add_mutually_exclusive_group()
    names.add_argument("--name", help="<lineage>/<kind>/<id> that the object was stored under")
    names.add_argument("--any-name", action="store_true", help="take the object for what its header says it is")
    args = parser.parse_args()
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
